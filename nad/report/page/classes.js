// Every class: the table, and one class's way through the layers.
let chooseClass = () => {};

function verdictTag(v) {
  const kind = {"constant answer": "constant", "its class": "specific"}[v];
  const sign = {"constant answer": "▲ ", "its class": "● ", "seldom its class": "▽ "}[v] || "";
  return element("span", {class: "tag " + (kind || "")}, sign + v);
}
const CLASS_COLUMNS = [
  {key: "index", title: "class", kind: "number", show: String},
  {
    key: "label",
    title: "name",
    kind: "text",
    wide: true,
    of: (r) => [r.name, r.id !== r.name ? r.id : ""].filter(Boolean).join(" "),
    show: (_, r) => element(
        "span", {}, printable(r.name || r.id),
        r.name && r.id && r.id !== r.name ? element("small", {}, printable(r.id)) : null)
  },
  {key: "before", title: "before", kind: "number", show: (v) => percent(v), about: "Top-1 of the original network"},
  {
    key: "after",
    title: "after",
    kind: "number",
    show: (v) => percent(v),
    about: "Top-1 of the class's own sub-architecture"
  },
  {
    key: "interval",
    title: "95 % interval",
    kind: "number",
    of: (r) => wilson(r.after, r.val_images)?.[0],
    show: (_, r) => {
      const w = wilson(r.after, r.val_images);
      return w ? w.map((v) => v.toFixed(1)).join(" – ") : "–";
    }
  },
  {
    key: "false_alarms",
    title: "false alarms",
    kind: "number",
    show: (v) => percent(v),
    about: "of other classes' images, called its own"
  },
  {
    key: "false_alarms_shown",
    title: "of shown",
    kind: "number",
    show: (v) => percent(v),
    about: "false alarms to classes that were shown while learning"
  },
  {
    key: "false_alarms_unshown",
    title: "of never shown",
    kind: "number",
    show: (v) => percent(v),
    about: "false alarms to classes that were never shown while learning"
  },
  {
    key: "auroc",
    title: "AUROC",
    kind: "number",
    show: (v) => (known(v) ? v.toFixed(3) : "–"),
    about: "of the class's logit, own images against all others"
  },
  {key: "verdict", title: "verdict", kind: "text", show: verdictTag},
  {key: "kept", title: "kept", kind: "number", show: (v) => percent(v), about: "channels of all gates"},
  {key: "loss", title: "loss", kind: "number", show: (v) => number(v ?? NaN)},
  {key: "taken", title: "steps", kind: "number", show: (v) => number(v ?? NaN)},
  {key: "val_images", title: "val images", kind: "number", show: (v) => number(v ?? NaN)},
];

// Counts of kept channels by class and gate, and by channel how many classes keep it.
function masksOf(network) {
  if (network.kept || !network.masks) return network.kept;
  const bytes = bytesOf(network.masks), channels = network.gates.channels,
        total = channels.reduce((a, b) => a + b, 0), stride = Math.ceil(total / 8);
  const classes = network.classes.index.filter((_, i) => network.classes.state[i] === "finished");
  const counts = classes.map(() => new Array(channels.length).fill(0)), popular = new Uint32Array(total);
  classes.forEach((_, c) => {
    let bit = 0;
    channels.forEach((n, g) => {
      for (let i = 0; i < n; i++, bit++)
        if (bytes[c * stride + (bit >> 3)] >> (bit & 7) & 1) {
          counts[c][g]++;
          popular[bit]++;
        }
    });
  });
  network
      .kept = {classes, counts, popular, total, keeps: (c, bit) => bytes[c * stride + (bit >> 3)] >> (bit & 7) & 1};
  return network.kept;
}

function flowLines(network, c) {
  const k = masksOf(network), channels = network.gates.channels, x = channels.map((_, g) => g + firstLayer(network));
  const shares = (counts) => counts.map((n, g) => 100 * n / channels[g]);
  const all = k.counts.map(shares), means = channels.map((_, g) => mean(all.map((s) => s[g])));
  const spread = (q) => channels.map((_, g) => {
    const s = all.map((v) => v[g]).sort((a, b) => a - b);
    return s[Math.round(q * (s.length - 1))];
  });
  const kept = k.counts[c].reduce((a, b) => a + b, 0), p = kept / k.total;
  const sd = channels.map((n) => 196 * Math.sqrt(p * (1 - p) / n * (k.total - n) / Math.max(1, k.total - 1)));
  const lines = [{name: className(network, k.classes[c]), x, y: all[c], colour: 0, marker: 0, dash: 0}];
  if (all.length > 1)
    lines.push({
      name: "mean of " + all.length + " classes (band: the middle 90 %)",
      x,
      y: means,
      low: spread(0.05),
      high: spread(0.95),
      colour: 1,
      marker: 1,
      dash: 1
    });
  lines.push({
    name: "random: as many channels, drawn from all layers (band: 95 %)",
    x,
    y: x.map(() => 100 * p),
    low: sd.map((d) => Math.max(0, 100 * p - d)),
    high: sd.map((d) => Math.min(100, 100 * p + d)),
    colour: -1,
    dash: 2,
    plain: true
  });
  return lines;
}

// Every layer a row, every channel a stroke where the class keeps it; the channels that most classes keep stand left.
function barcode(network, chosen) {
  const canvas = element(
      "canvas", {role: "img", class: "barcode", "aria-label": "The channels that the class keeps, layer by layer"});
  const channels = network.gates.channels, row = 22;
  canvas.width = 1536;
  canvas.height = row * channels.length;
  const paint = () => {
    const k = masksOf(network), t = theme(), ramp = rampOf(t), pen = canvas.getContext("2d"), c = chosen();
    pen.fillStyle = t.card;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    let first = 0;
    channels.forEach((n, g) => {
      const order = Array.from({length: n}, (_, i) => first + i).sort((a, b) => k.popular[b] - k.popular[a] || a - b);
      const width = canvas.width / n;
      order.forEach((bit, i) => {
        const [r, gr, b] =
            k.keeps(c, bit) ? ramp[Math.round(255 - 150 * k.popular[bit] / k.classes.length)] : ramp[0];
        pen.fillStyle = `rgb(${r}, ${gr}, ${b})`;
        pen.fillRect(Math.floor(i * width), g * row, Math.ceil(width), row - 4);
      });
      first += n;
    });
  };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect(),
          g = Math.min(
              channels.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * channels.length)));
    const k = masksOf(network);
    say(event, printable(network.gates.names[g]), element("br"),
        element("b", {}, number(k.counts[chosen()][g]) + " of " + number(channels[g]) + " channels kept"));
  });
  canvas.addEventListener("pointerleave", hush);
  heatMaps.push({canvas, paint});
  return {canvas, paint};
}

function flowSection(state) {
  const networks = report.networks.filter((n) => n.masks && masksOf(n).classes.length);
  if (!networks.length) {
    return element(
        "section", {id: "flow", "data-chapter": "One class"}, element("h2", {}, "One class through the layers"),
        element(
            "div", {class: "notes"},
            note(
                "missing",
                "Missing:", "the results file that the analysis was made from; give it to nad_report too.")));
  }
  const place = element("div"), picker = element("select", {"aria-label": "class"});
  const entries = new Map();
  let network = networks[0], c = 0;
  // One chart and one picture a network, made once; a choice changes what they show.
  for (const n of networks) {
    const make = (t) => lineChart(flowLines(n, n === network ? c : 0), {
      unit: "%",
      whole: true,
      xTitle: "layer",
      yTitle: "channels kept",
      yRange: {suggestedMin: 0, suggestedMax: 100},
      titleOf: (at) => "layer " + at + ": " + printable(n.gates.names[at - firstLayer(n)] ?? ""),
    })(t);
    const chart = plot(make, "Channels that a class keeps, layer by layer, " + n.title),
          entry = charts[charts.length - 1];
    const code = barcode(n, () => (n === network ? c : 0));
    const node = element(
        "div", {}, element("div", {class: "card"}, chart),
        element(
            "div", {class: "card"}, element("h4", {}, "Its channels"), code.canvas,
            element(
                "p", {class: "small soft"},
                "A row a layer, from the first to the last; a stroke is a channel that the class keeps, darker (in the dark: brighter) the fewer other classes keep it. Channels that most classes keep stand on the left.")));
    node.hidden = n !== network;
    place.append(node);
    entries.set(n, {
      node,
      redraw: () => {
        build(entry);
        code.paint();
      }
    });
  }
  const show = () => {
    for (const [n, e] of entries) e.node.hidden = n !== network;
    entries.get(network).redraw();
  };
  const fill = () => picker.replaceChildren(
      ...masksOf(network).classes.map((index, i) => element("option", {value: i}, className(network, index))));
  const pickNetwork = element(
      "select", {
        "aria-label": "network",
        onchange: () => {
          network = networks[pickNetwork.value];
          c = 0;
          fill();
          show();
        }
      },
      networks.map((n, i) => element("option", {value: i}, n.title)));
  picker.addEventListener("change", () => {
    c = Number(picker.value);
    show();
  });
  fill();
  state.flow = (n, index) => {
    if (!networks.includes(n) || !masksOf(n).classes.includes(index)) return false;
    if (n !== network) {
      network = n;
      pickNetwork.value = networks.indexOf(n);
      fill();
    }
    c = masksOf(n).classes.indexOf(index);
    picker.value = c;
    show();
    return true;
  };
  return element(
      "section", {id: "flow", "data-chapter": "One class"}, element("h2", {}, "One class through the layers"),
      element(
          "p", {class: "soft"},
          "How many channels of each layer a class keeps, beside the mean of all classes and beside as many channels drawn at random from the whole network."),
      element(
          "div", {class: "controls"}, networks.length > 1 ? element("label", {}, "Network", pickNetwork) : null,
          element("label", {}, "Class", picker)),
      place);
}

function classesSection(state) {
  const place = element("div"), search = element("input", {
                                  type: "search",
                                  placeholder: "Name, id or number",
                                  "aria-label": "Search classes",
                                  oninput: () => table.search(search.value)
                                });
  const networks = report.networks.filter((n) => classRows(n).length), root = document.documentElement.dataset;
  let table = null;
  const show = (n) => {
    const differs = (key) => new Set(classRows(n).map((r) => r[key])).size > 1;
    const used = CLASS_COLUMNS.filter((c) => c.key !== "taken" || differs(c.key))
                     .filter(
                         (c) => ["index", "label", "verdict"].includes(c.key) ||
                             classRows(n).some((r) => known(c.of ? c.of(r) : r[c.key])));
    table = dataTable(classRows(n), used, {
      pageRows: 25,
      sort: "index",
      choose: (r) => {
        if (state.flow(n, r.index)) document.getElementById("flow").scrollIntoView();
      },
      watch: (rows, sorted, descending) => {
        root.tableRows = String(rows);
        root.tableSort = (descending ? "-" : "") + sorted;
      },
    });
    place.replaceChildren(table.node);
    table.search(search.value);
  };
  const pick = element(
      "select", {"aria-label": "network", onchange: () => show(networks[pick.value])},
      networks.map((n, i) => element("option", {value: i}, n.title)));
  state.table = {
    search: (text) => {
      search.value = text;
      table.search(text);
    },
    sort: (key) => table.sort(key.replace(/^-/, ""), key.startsWith("-")),
    network: (i) => {
      if (networks[i]) {
        pick.value = i;
        show(networks[i]);
      }
    },
  };
  if (networks.length) show(networks[0]);
  const failed = networks.flatMap(
      (n) => classRows(n)
                 .filter((r) => r.state !== "finished")
                 .map(
                     (r) => element(
                         "p", {class: "small"},
                         (networks.length > 1 ? n.title + ": " : "") + className(n, r.index) +
                             (r.state === "failed" ? " failed: " + printable(r.error) :
                                                     " is in progress, step " + r.taken + " of " + r.steps) +
                             ".")));
  return element(
      "section", {id: "classes", "data-chapter": "Classes"}, element("h2", {}, "Every class"),
      networks.length ?
          [
            element(
                "div", {class: "controls"}, element("label", {}, "Search", search),
                networks.length > 1 ? element("label", {}, "Network", pick) : null),
            place
          ] :
          element("div", {class: "notes"}, note("missing", "Missing:", "no file says anything of single classes.")),
      failed.length > 8 ?
          lazyDetails(plural(failed.length, "class", "classes") + " without a sub-architecture", () => failed) :
          failed);
}
