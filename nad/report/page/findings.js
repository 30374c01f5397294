// How findings are shown when nothing more is known of them than what they hold: a summary, lines over layers, a
// matrix, a histogram of draws, the table. Analyses that come later appear by this alone.
const SKIPPED =
    /^(gate|channels|up_to|index|most_.*|n|count|images|runs|draws|classes|pairs|kept|steps)$|_images$|_low$|_high$|_p$|^p$/;
const X_COLUMNS = ["q", "share", "kept_share", "beta", "size"];
const X_TITLES = {
  q: "share of each gate's channels that is kept",
  beta: "β"
};

const hasContent = (f) => f && (f.summary || f.table.length || Object.keys(f.arrays).length);
const itemsOf = (pattern) =>
    report.networks.map((network) => ({network, f: findings(network, pattern)})).filter((i) => hasContent(i.f));
const firstLayer = (network) =>
    (archOf(network) === "resnet50" ? 0 : 1);  // of the paper's counting: ResNet50's stem is 0

// {x, title, titleOf, series: [{name, y, low, high}], unit} of a table with one row a layer or a step of something.
function seriesOf(network, f) {
  const layers = column(f, "layer");
  const numeric = f.table.filter((c) => c.values.some(known) && !c.values.some((v) => typeof v === "string"));
  if (column(f, "index") || f.table.length < 2 || numeric.length < (layers ? 1 : 2) || f.table[0].values.length < 2)
    return null;
  const by = layers ? null : numeric.find((c) => X_COLUMNS.includes(c.name)) || numeric[0];
  if (by && by.values.some((v, i) => i > 0 && !(v > by.values[i - 1]))) return null;
  const x = layers ? layers.map((_, i) => i + firstLayer(network)) : by.values;
  const plain = numeric.filter((c) => c !== by && !SKIPPED.test(c.name));
  const isShare = (c) => c.values.every((v) => !known(v) || (v >= -1 && v <= 1.0000001));
  const shares = plain.filter(isShare), chosen = shares.length ? shares : plain;
  const scale = shares.length ? 100 : 1, times = (values) => values && values.map((v) => known(v) ? scale * v : NaN);
  if (!chosen.length) return null;
  return {
    x,
    whole: Boolean(layers),
    unit: shares.length ? "%" : "",
    title: layers ? "layer" : X_TITLES[by.name] || words(by.name),
    titleOf: (at) => layers ? "layer " + at + ": " + printable(layers[at - firstLayer(network)] ?? "") :
                              words(by.name) + " " + number(at),
    series: chosen.map((c) => ({
                         name: words(c.name),
                         key: c.name,
                         y: times(c.values),
                         low: times(column(f, c.name + "_low")),
                         high: times(column(f, c.name + "_high"))
                       })),
  };
}

// All networks over each other; within one a series has a colour of its own, among several a dash.
function overlaid(items, options = {}) {
  const found = items.map((i) => ({...i, s: seriesOf(i.network, i.f)})).filter((i) => i.s);
  if (!found.length) return null;
  const many = found.length > 1, lines = [], controls = new Map();
  found.forEach(({network, s}, n) => {
    const chosen = options.only ? s.series.filter((l) => options.only.test(l.key)) : s.series;
    chosen.forEach((l, k) => {
      const name = options.names?.[l.key] || l.name,
            plain = many ? k > 0 : options.plain && options.plain.test(l.key);
      if (many && k > 0) controls.set(name, k);
      lines.push({
        name: many ? network.title : name,
        tip: many ? network.title + ": " + name : name,
        unnamed: many && k > 0,
        x: s.x,
        y: l.y,
        low: plain ? null : l.low,
        high: plain ? null : l.high,
        colour: many ? n :
            plain    ? -1 :
                       k,
        marker: many ? n : k,
        dash: k,
        plain,
      });
    });
  });
  if (!lines.length) return null;
  // Among several networks a dash is a control, whatever the colour.
  for (const [name, k] of controls)
    lines.push({name: "dashed so: " + name, x: [], y: [], colour: -1, dash: k, plain: true});
  const {s} = found[0];
  if (options.exactly) {
    const ends = [Math.min(...found.flatMap((i) => i.s.x)), Math.max(...found.flatMap((i) => i.s.x))];
    lines.push({
      name: options.exactly.name,
      x: ends,
      y: [options.exactly.y, options.exactly.y],
      colour: 5,
      dash: 4,
      plain: true
    });
  }
  const highest = Math.max(...lines.flatMap((l) => [...l.y, ...(l.high || [])]).filter(known));
  const description =
      (options.description || "Lines") + " over " + s.title + ", " + found.map((i) => i.network.title).join(", ");
  return element(
      "div", {class: "card"},
      plot(
          lineChart(lines, {
            unit: s.unit,
            whole: s.whole,
            xTitle: s.title,
            yTitle: options.yTitle,
            yRange: s.unit === "%" ? {suggestedMin: 0, max: highest > 66 ? 100 : undefined} : {},
            levels: options.levels,
            ranges: options.ranges,
            titleOf: (at) => many ? s.title + " " + number(at) : s.titleOf(at),
          }),
          description));
}

const classesOf = (f) => {
  const c = valuesOf(f.arrays.classes);
  return c ? Array.from(c) : null;
};

// A square (or class by class) array as a heat map in a card.
function matrixCard(network, f, name, options) {
  const array = f.arrays[name], [rows, columns] = array.shape;
  let values = valuesOf(array);
  if (options.noDiagonal && rows === columns) {
    values = Float32Array.from(values);
    for (let i = 0; i < rows; i++) values[i * columns + i] = NaN;
  }
  const own = classesOf(f), other = valuesOf(f.arrays.image_classes) || own;
  const label = (list, i) => list && i < list.length ? className(network, list[i]) : String(i + 1);
  return element(
      "div", {class: "card"}, element("h4", {}, options.heading || network.title), heatMap(values, rows, columns, {
        description: (options.heading || words(name)) + ", " + network.title + ": " + rows + " by " + columns,
        format: options.format || ((v) => number(v, 3)),
        low: options.low,
        high: options.high,
        sentence: (i, j) => options.sentence ?
            options.sentence(label(own, i), label(other, j), Boolean(own && other && own[i] === other[j])) :
            label(own, i) + " – " + label(other, j),
        rowName: own && ((i) => label(own, i)),
        columnNumber: (j) => (other && j < other.length ? String(other[j]) : String(j + 1)),
        isOwn: (i, j) => (own && other ? own[i] === other[j] : i === j),
        choose: own && ((i) => chooseClass(network, own[i])),
      }));
}

// Draws of a statistic as a histogram, with what was observed. array: [draws] or [classes, draws], then their means
// over classes, shares in [0, 1]. marked: [name, value] of the same statistic.
function drawsCard(network, array, marked, options) {
  const values = valuesOf(array), draws = array.shape[array.shape.length - 1];
  const there = Array
                    .from(
                        {length: draws},
                        (_, d) => mean(Array.from({length: values.length / draws}, (_, i) => values[i * draws + d])))
                    .filter(known)
                    .map((v) => 100 * v);
  const levels = marked.filter(([, value]) => known(value)).map(([name, value]) => [name, 100 * value]);
  if (there.length < 2) return null;
  const all = [...there, ...levels.map(([, value]) => value)];
  const low = Math.min(...all), high = Math.max(...all), bins = 24, width = (high - low) / bins || 1;
  const counts = new Array(bins).fill(0);
  for (const v of there) counts[Math.min(bins - 1, Math.floor((v - low) / width))]++;
  const make = (t) => ({
    type: "bar",
    data: {
      datasets: [{
        label: plural(there.length, "random draw"),
        data: counts.map((y, i) => ({x: low + (i + 0.5) * width, y})),
        backgroundColor: stripes(t.soft, t.card),
        borderColor: t.soft,
        borderWidth: 1,
        barPercentage: 1,
        categoryPercentage: 1
      }]
    },
    options: {
      layout: {padding: {top: 8 + 14 * levels.length}},
      scales: {
        x: {
          type: "linear",
          offset: false,
          min: low >= 0 ? Math.max(0, low - width) : low - width,
          max: high + width,
          ticks: {callback: (v) => number(v, 3) + " %"},
          title: {display: true, text: options.xTitle},
          grid: {display: false}
        },
        y: {ticks: {precision: 0}, title: {display: true, text: "draws"}}
      },
      plugins: {
        legend: legend(),
        marks: {
          levels: levels.map(
              ([label, value], row) =>
                  ({axis: "x", value, label, row, above: true, firm: row === 0, colour: row ? t.series[row] : t.bad}))
        }
      },
    },
  });
  return element(
      "div", {class: "card"}, element("h4", {}, network.title),
      plot(make, options.xTitle + " of random draws and observed, " + network.title, "low"));
}

// Facts as name and value; x, x_low and x_high are one.
function factsList(f) {
  const names =
      Object.keys(f.facts).filter((n) => !/_(low|high)$/.test(n) || !(n.replace(/_(low|high)$/, "") in f.facts));
  if (!names.length) return null;
  return element("dl", {class: "facts"}, names.map((n) => {
    const value = f.facts[n], low = f.facts[n + "_low"], high = f.facts[n + "_high"];
    return element(
        "div", {}, element("dt", {}, words(n)),
        element(
            "dd", {},
            typeof value === "string" ?
                printable(value) :
                number(value ?? NaN) + (known(low) ? " [" + number(low) + ", " + number(high) + "]" : "")));
  }));
}

function genericDrawing(items) {
  const nodes = [overlaid(items)];
  for (const {network, f} of items) {
    for (const [name, array] of Object.entries(f.arrays)) {
      if (/draw|random/.test(name))
        nodes.push(
            drawsCard(network, array, [["observed", f.facts.observed ?? f.facts.statistic]], {xTitle: words(name)}));
      else if (array.shape.length === 2 && array.shape[0] > 1 && array.shape[1] > 1)
        nodes.push(matrixCard(network, f, name, {heading: network.title + ": " + words(name)}));
    }
  }
  return nodes;
}

const note = (kind, title, ...content) => element("p", {class: kind}, element("b", {}, title + " "), ...content);

// Why a network has no such findings.
const whyMissing = (f) =>
    (f && f.missing ? (f.summary ? "lacks " : "needs ") + printable(f.missing) : "nad_analyse has not made it");

// figure: {id, match, eyebrow, title, lead, control, paper(networks), draw(items)}
function figureSection(figure) {
  const items = itemsOf(figure.match), many = report.networks.length > 1;
  const notes = [];
  for (const text of figure.paper ? figure.paper(items.map((i) => i.network)) : [])
    notes.push(note("paper", "The paper:", text));
  if (figure.control) notes.push(note("control", "Control:", figure.control));
  for (const network of report.networks) {
    const f = findings(network, figure.match);
    if (hasContent(f) && !f.missing) continue;
    notes.push(note("missing", many ? "Missing, " + network.title + ":" : "Missing:", whyMissing(f) + "."));
  }
  const summaries = element(
      "div", {class: "summaries"},
      items.filter((i) => i.f.summary)
          .map(
              (i) => element(
                  "p", {}, many ? element("b", {}, i.network.title + ": ") : "",
                  capital(printable(i.f.summary)) + ".")));
  const drawing = (figure.draw || genericDrawing)(items).filter(Boolean);
  const numbered = items.filter((i) => i.f.table.length || Object.keys(i.f.facts).length);
  const details = numbered.length ? lazyDetails(
                                        "Numbers",
                                        () => numbered.flatMap(
                                            (i) =>
                                                [many ? element("h4", {}, i.network.title) : null, factsList(i.f),
                                                 i.f.table.length ? findingsTable(i.f) : null])) :
                                    null;
  return element(
      "section", {class: "figure", id: figure.id}, element("p", {class: "eyebrow"}, figure.eyebrow),
      element("h3", {}, figure.title), figure.lead ? element("p", {class: "lead"}, figure.lead) : null, drawing,
      summaries, element("div", {class: "notes"}, notes), details);
}

// What it holds is made when it is opened.
function lazyDetails(title, make) {
  const made = element("details", {}, element("summary", {}, title));
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) made.append(...make().filter(Boolean));
  });
  return made;
}

// Figures that some network has, and a list of the others with their reasons.
function chapter(id, title, lead, figures) {
  const present = figures.filter((f) => itemsOf(f.match).length),
        absent = figures.filter((f) => !itemsOf(f.match).length);
  return element(
      "section", {id, "data-chapter": title}, element("h2", {}, title),
      lead ? element("p", {class: "soft"}, lead) : null, present.map(figureSection),
      absent.length ? element(
                          "div", {class: "figure"}, element("p", {class: "eyebrow"}, "Not in this report"),
                          element("div", {class: "notes"}, absent.map((f) => {
                            const reasons =
                                [...new Set(report.networks.map((n) => whyMissing(findings(n, f.match))))];
                            return note(
                                "missing", f.title, element("span", {class: "soft"}, "(" + f.eyebrow + ") "),
                                reasons.join("; ") + ".");
                          }))) :
                      null);
}
