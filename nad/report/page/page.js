// The page from top to bottom, and what the address asks for: #q=TEXT&sort=-false_alarms&network=0&class=INDEX.
const state = {};

// Every class a dot: its own images answered right, other classes' images answered as its own.
// Of few classes those at the same place are one larger dot.
const crowded = report.networks.reduce((count, n) => count + classRows(n).length, 0) > 60;
function pilesOf(n) {
  const piles = new Map();
  for (const r of classRows(n)) {
    if (!known(r.after) || !known(r.false_alarms)) continue;
    const key = crowded ? r.index : Math.round(r.false_alarms) + "/" + Math.round(r.after);
    if (!piles.has(key)) piles.set(key, {x: r.false_alarms, y: r.after, rows: [], network: n});
    piles.get(key).rows.push(r);
  }
  return [...piles.values()];
}
const radiusOf = (pile) => crowded ? 3 : Math.min(16, 4 + 1.6 * Math.sqrt(pile.rows.length));
function planeCard() {
  const piles = report.networks.map(pilesOf);
  const make = (t) => ({
    type: "scatter",
    data: {
      datasets: report.networks.map((n, i) => ({
                                      label: n.title,
                                      pointStyle: markerOf(i),
                                      borderColor: t.series[i % 7],
                                      borderWidth: crowded ? 0.7 : 1.5,
                                      backgroundColor: clear(t.series[i % 7], crowded ? 0.2 : 0.45),
                                      clip: 10,
                                      data: piles[i],
                                      pointRadius: (c) => c.raw ? radiusOf(c.raw) : 5,
                                    })),
    },
    options: {
      layout: {padding: {right: 8}},
      scales: {
        x: {
          min: 0,
          max: 100,
          title: {display: true, text: "false alarms: other classes' images called its own"},
          ticks: percentTicks
        },
        y: {min: 0, max: 100, title: {display: true, text: "own images answered right"}, ticks: percentTicks},
      },
      plugins: {
        legend: Object.assign(legend(), {display: report.networks.length > 1}),
        marks: {
          levels: [{axis: "x", value: 50, label: "constant answers", row: 14, colour: t.bad}],
          counts: piles.flat()
                      .filter((p) => p.rows.length > 1)
                      .map((p) => ({x: p.x, y: p.y, radius: radiusOf(p), text: "×" + p.rows.length})),
        },
        tooltip: {
          callbacks: {
            label: (item) => {
              const {rows, network} = item.raw,
                           names = rows.slice(0, 6)
                                       .map((r) => className(network, r.index))
                                       .concat(rows.length > 6 ? "and " + (rows.length - 6) + " more" : []);
              return ["own " + percent(item.raw.y) + ", false alarms " + percent(item.raw.x), ...names];
            }
          }
        },
      },
    },
  });
  return element(
      "div", {class: "card"},
      element(
          "h4", {},
          "Each dot is a class. Top left: answers its class and not most others. Right: a constant answer."),
      plot(make, "Own accuracy against false alarms of every class", report.networks.length > 4 ? "high" : ""));
}

const total = report.networks.map(tally).reduce((a, b) => ({
                                                  measured: a.measured + b.measured,
                                                  constant: a.constant + b.constant,
                                                  specific: a.specific + b.specific,
                                                  finished: a.finished + b.finished
                                                }));
// "Specific" is said where a test has shown it of every network; else what was counted.
function verdictSentence() {
  const t = total, tested = report.networks.every((n) => !tally(n).measured || isShown(n, "specific"));
  const are = tested ? " are specific" : " answer their class and not most others";
  const is = tested ? " is specific" : " answers its class and not most others";
  const n = plural(t.measured, "sub-architecture");
  if (!t.finished) return "No class is finished yet.";
  if (!t.measured) return "False alarms were not measured: no accuracy here says whether a class was disentangled.";
  if (t.constant === t.measured)
    return (t.measured === 1 ? "The one sub-architecture is a constant answer" :
                               "All " + n + " are constant answers") +
        ": each says its class to most of what it is shown.";
  const first = t.specific < t.measured ? number(t.specific) + " of " + n + (t.specific === 1 ? is : are) :
      t.measured === 1                  ? "The one sub-architecture" + is :
                                          "All " + n + are;
  return first + "; " +
      (t.constant ? number(t.constant) + (t.constant === 1 ? " is a constant answer." : " are constant answers.") :
                    "none is a constant answer.");
}

function runLine(n) {
  const f = n.facts, t = tally(n);
  const parts = [
    known(f.num_classes) && f.num_classes !== t.finished ?
        number(t.finished) + " of " + plural(f.num_classes, "class", "classes") :
        plural(t.finished, "class", "classes"),
    f.objective ? "objective " + f.objective : "",
    f.specific_target ? "target " + f.specific_target +
            (f.max_false_alarms ?
                 ", false alarms to stay within " + number(100 * f.max_false_alarms) + " % of the original's" :
                 ", λ " + number(f.lambda)) :
                        "",
    known(f.beta) ? "β " + number(f.beta) + (f.beta_auto ? " (from the search)" : "") : "",
    known(f.steps)      ? plural(f.steps, "step") + " a class" :
        known(f.epochs) ? plural(f.epochs, "pass", "passes") + " over the images" +
            (known(f.least_steps) ? ", at least " + plural(f.least_steps, "step") : "") :
                          "",
    known(f.input_size) ? f.input_size + "×" + f.input_size + " pixels" : "",
    f.runs > 1 ? plural(f.runs, "run") : "",
  ];
  return parts.filter(Boolean).join(" · ");
}
function runDetails(n) {
  const names = [
    ["weights_file", "weights"], ["data", "images"], ["device", "computed on"], ["precision", "precision"],
    ["lr", "step size"], ["batch", "batch"], ["seed", "seed"], ["half", "images learnt from"], ["program", "program"],
    ["command_line", "command"]
  ];
  return lazyDetails(
      "How it was run",
      () => [element(
          "dl", {class: "run"},
          names.filter(([key]) => n.facts[key] !== undefined && n.facts[key] !== "").map(([key, title]) => {
            const value = typeof n.facts[key] === "number" ? number(n.facts[key]) : printable(n.facts[key]);
            return [
              element("dt", {}, title), element("dd", {}, key === "command_line" ? element("code", {}, value) : value)
            ];
          }))]);
}

function networkBlock(n) {
  const t = tally(n),
        part = (kind, count) => count ?
      element("i", {class: kind, style: "width: " + 100 * count / Math.max(1, t.finished) + "%"}) :
      null;
  const stat = (title, value, small, kind) => element(
      "div", {class: kind}, element("dt", {}, title),
      element("dd", {}, value, small ? element("small", {}, small) : null));
  const item = (kind, count, text) => element(
      "li", {}, element("span", {class: "bar"}, element("i", {class: kind, style: "width: 100%"})),
      element("b", {}, number(count)), " " + text);
  return element(
      "div", {class: "network"}, element("p", {class: "eyebrow"}, n.title),
      element("p", {class: "small soft"}, runLine(n)),
      element(
          "dl", {class: "stats"}, stat("Top-1 before", percent(t.before)),
          element("div", {class: "arrow", "aria-hidden": "true"}, "→"), stat("after", percent(t.after)),
          stat(
              "false alarms", percent(t.false_alarms),
              !known(t.false_alarms)            ? "not measured" :
                  known(t.false_alarms_unshown) ? percent(t.false_alarms_unshown) + " on classes never shown" :
                                                  null,
              "alarm")),
      element(
          "div", {
            class: "bar",
            role: "img",
            "aria-label": t.specific + " its class and not most others, " + t.constant + " constant answers"
          },
          part("specific", t.specific), part("silent", t.silent), part("constant", t.constant)),
      element(
          "ul", {class: "key"},
          item(
              "specific", t.specific,
              (t.specific === 1 ? "answers its" : "answer their") + " class and not most others"),
          item("constant", t.constant, t.constant === 1 ? "constant answer" : "constant answers"),
          t.silent ? item("silent", t.silent, "seldom say their class") : null,
          t.unmeasured ? item("", t.unmeasured, "not measured") : null),
      runDetails(n));
}

function firstScreen() {
  const many = report.networks.length > 1;
  return element(
      "section", {id: "overview", class: "first", "data-chapter": "Overview"},
      element(
          "div", {class: "opening"},
          element(
              "div", {},
              element(
                  "p", {class: "eyebrow"},
                  "Report · " + (many ? plural(report.networks.length, "network") : archName(report.networks[0]))),
              element("h1", {}, printable(report.title)),
              element(
                  "p", {class: "lede"},
                  "Which channels of a network does a class need? And do those channels know the class, or do they say it to anything?"),
              element(
                  "p", {class: total.specific && !total.constant ? "verdict good" : "verdict", id: "verdict"},
                  verdictSentence()),
              report.remarks.length ?
                  element("div", {class: "notes"}, report.remarks.map((text) => element("p", {}, printable(text)))) :
                  null,
              many ? null : networkBlock(report.networks[0])),
          element(
              "div", {}, planeCard(),
              element(
                  "p", {class: "small soft"},
                  "A constant answer calls more than half of other classes' images its own; its own accuracy then says nothing. The others call at most half of those their own; with at least half of its own images answered right, a sub-architecture counts as answering its class. Whether it is specific a test decides: see the claims."))),
      many ? element("div", {class: "networks"}, report.networks.map(networkBlock)) : null);
}

function others() {
  const taken = [...PAPER_FIGURES, ...CONTROLS].map((f) => f.match).concat(/^claims?/);
  const names = [...new Set(report.networks.flatMap((n) => n.analyses.map((f) => f.name)))].filter(
      (name) => !taken.some((m) => m.test(name)));
  return names.map((name) => ({
                     id: "a-" + name.replace(/\W/g, "-"),
                     match: new RegExp("^" + name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$"),
                     eyebrow: "Analysis",
                     title: capital(words(name)),
                     lead: (report.about.find((a) => a.name === name) || {}).about,
                   }));
}

function foot() {
  return element(
      "footer", {},
      element(
          "p", {},
          "Made by " + report.program + " from " + report.files.map(printable).join(", ") +
              ". The method, the controls and every formula: docs/METHOD.md of the program. The paper: J. Hu et al., Architecture Disentanglement for Deep Neural Networks, ICCV 2021."),
      element(
          "p", {},
          "Charts: Chart.js " + Chart.version +
              ", © Chart.js Contributors, MIT License; its text is in this page's source. The page loads nothing from anywhere."));
}

function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (asked.has("network") && state.table) state.table.network(Number(asked.get("network")));
  if (asked.has("q")) state.table.search(asked.get("q"));
  if (asked.has("sort")) state.table.sort(asked.get("sort"));
  const n = report.networks[Number(asked.get("network") || 0)];
  if (asked.has("class") && state.flow) state.flow(n, Number(asked.get("class")));
  if (asked.has("q") || asked.has("sort")) document.getElementById("classes").scrollIntoView();
}

const more = others();
const main = document.getElementById("main");
main.append(
    firstScreen(),
    chapter(
        "figures", "The paper's figures", "In its order, each beside what would make it worthless.", PAPER_FIGURES),
    chapter(
        "controls", "Controls",
        "The paper grants that a sub-architecture can answer its class whatever it is shown. These decide whether it does.",
        CONTROLS),
    more.length ? chapter("more", "Further analyses", "", more) : "", claimsSection(), classesSection(state),
    flowSection(state), mapsSection(), foot());
chooseClass = (network, index) => {
  if (state.flow && state.flow(network, index)) document.getElementById("flow").scrollIntoView();
};
document.getElementById("nav").append(element("ul", {}, [
  ...document.querySelectorAll("[data-chapter]")
].map((s) => element("li", {}, element("a", {href: "#" + s.id}, s.dataset.chapter)))));
drawAll();
fromAddress();
window.addEventListener("hashchange", fromAddress);
document.documentElement.dataset.ready = "1";
