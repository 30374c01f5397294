"use strict";
// The payload (nad/report/page_payload.cpp), and how numbers and names are said.
const report = JSON.parse(document.getElementById("data").textContent);
document.documentElement.dataset.errors = "0";
window.addEventListener("error", () => {
  document.documentElement.dataset.errors = String(1 + Number(document.documentElement.dataset.errors));
});

// What the paper reports (docs/METHOD.md, section 6). Layers of ResNet50 are its blocks, the stem being 0.
const PAPER = {
  after: {from: 90, to: 100},
  before: {imagenet: {from: 70, to: 90}, places: {from: 40, to: 70}},
  similarity: {
    vgg16: {text: "above about 90 % in layers 1 to 7, falling after", level: {from: 1, to: 7, value: 0.9, first: 1}},
    resnet50: {
      text: "drops from layer 4, lowest in layers 11 to 14",
      range: {from: 11, to: 14, label: "paper: lowest", first: 0}
    },
    densenet121: {text: "low everywhere"},
    darts: {text: "drops at layers 8, 12 and 15"},
  },
  hitRate: {
    vgg16: {text: "highest in the last two layers", range: {from: 12, to: 13, label: "paper: highest", first: 1}},
    resnet50: {text: "highest in layer 16", range: {from: 16, to: 16, label: "paper: highest", first: 0}},
    darts: {text: "highest in layers 12 and 15 (ImageNet)"},
  },
  // mis, oth in percent
  table1: {
    vgg16: {imagenet: [78.59, 73.74], places: [81.87, 78.75]},
    resnet50: {imagenet: [59.38, 57.09], places: [65.49, 60.34]},
    densenet121: {imagenet: [53.35, 51.41], places: [43.95, 42.02]},
    darts: {imagenet: [60.02, 52.97], places: [61.96, 55.97]},
  },
};
const ARCH_NAMES = {
  vgg16: "VGG16",
  resnet50: "ResNet50",
  densenet121: "DenseNet121",
  darts: "DARTS"
};

const known = (x) => typeof x === "number" && Number.isFinite(x);
const archOf = (network) => String(network.facts.arch || "");
// A network that knows nothing is called so: "ResNet50, random weights".
const archName = (network) => (ARCH_NAMES[archOf(network)] || archOf(network) || network.label) +
    (network.facts.control ? ", " + network.facts.control : "");

// A name as short as it can be among the others.
function nameNetworks(networks) {
  const parts = networks.map(
      (n) => [archName(n), n.facts.objective, String(n.facts.weights_file || "").replace(/\.h5$/, ""), n.label]);
  networks.forEach((n, i) => {
    let used = [0];
    const text = (k) => used.map((j) => parts[k][j]).filter(Boolean).join(", ");
    for (const extra of [1, 2, 3]) {
      const clash = networks.some((_, k) => k !== i && text(k) === text(i));
      if (clash && networks.some((_, k) => k !== i && parts[k][extra] !== parts[i][extra])) used = [...used, extra];
    }
    n.title = text(i);
  });
}
nameNetworks(report.networks);

// "element" with attributes, event handlers (on...), text and other elements. Text is never markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on"))
      made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== ""));
  return made;
}

const number = (x, digits = 4) => known(x) ? (Number.isInteger(x) ? x.toLocaleString("en").replace(/,/g, "\u202f") :
                                                                    Number(x.toPrecision(digits)).toString()) :
                                             "–";
const percent = (x, digits = 1) => known(x) ? x.toFixed(digits) + " %" : "–";
const share = (x, digits = 1) => known(x) ? percent(100 * x, digits) : "–";
const plural = (n, one, many = one + "s") => number(n) + " " + (n === 1 ? one : many);
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
const words = (name) => String(name).replace(/_/g, " ");
const mean = (values) => {
  const there = values.filter(known);
  return there.length ? there.reduce((a, b) => a + b, 0) / there.length : NaN;
};
// Names of a file may hold control characters.
const printable = (text) => String(text).replace(/[\u0000-\u001f\u007f]/g, "\ufffd");

// Wilson's 95 % interval of a share, in percent.
function wilson(percentValue, n) {
  if (!known(percentValue) || !(n > 0)) return null;
  const z = 1.959963984540054, p = percentValue / 100, d = 1 + z * z / n;
  const centre = (p + z * z / (2 * n)) / d, half = z / d * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return [100 * Math.max(0, centre - half), 100 * Math.min(1, centre + half)];
}

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
// The values of an array of findings, NaN where there is none.
function valuesOf(array) {
  if (!array) return null;
  if (!array.decoded) {
    if (array.values)
      array.decoded = array.values.map((v) => v === null ? NaN : v);
    else {
      const step = (array.high - array.low) / 254;
      array.decoded = Float32Array.from(bytesOf(array.bytes), (b) => b === 255 ? NaN : array.low + b * step);
    }
  }
  return array.decoded;
}

const findings = (network, pattern) => network.analyses.find((f) => pattern.test(f.name));
const column = (f, name) => {
  const found = f && f.table.find((c) => c.name === name);
  return found ? found.values : null;
};

// The classes of a network as rows: those of its results, or where there are none those that an analysis speaks of.
function classRows(network) {
  if (network.rows) return network.rows;
  const rows = new Map();
  const row = (index) => {
    if (!rows.has(index)) rows.set(index, {index, id: "", name: "", state: "finished"});
    return rows.get(index);
  };
  if (network.classes) {
    network.classes.index.forEach((index, i) => {
      for (const [name, values] of Object.entries(network.classes)) row(index)[name] = values[i];
    });
  }
  for (const f of network.analyses) {
    const index = column(f, "index");
    if (!index || !column(f, "name")) continue;
    index.forEach((c, i) => {
      const r = row(c);
      r.id = r.id || column(f, "id")[i];
      r.name = r.name || column(f, "name")[i];
    });
  }
  const fig2 = findings(network, /^fig2/);
  const indices = fig2 && valuesOf(fig2.arrays.classes);
  if (indices && !network.classes) {
    Array.from(indices).forEach((c, i) => {
      for (const [to, from] of [
               ["before", "class_before"], ["after", "class_after"], ["false_alarms", "class_false_alarms"]]) {
        if (fig2.arrays[from]) row(c)[to] = valuesOf(fig2.arrays[from])[i];
      }
    });
  }
  const transfer = findings(network, /^transfer/), place = transfer && column(transfer, "index");
  if (place) {
    place.forEach((c, i) => {
      const r = row(c), of = (name) => (column(transfer, name) || [])[i];
      r.auroc = of("auroc");
      if (!known(r.false_alarms) && known(of("false_alarms"))) r.false_alarms = 100 * of("false_alarms");
      if (!known(r.after) && known(of("own"))) r.after = 100 * of("own");
    });
  }
  const own = network.classes && new Set(network.classes.index);
  network.rows = [...rows.values()].filter((r) => !own || own.has(r.index)).sort((a, b) => a.index - b.index);
  network.byIndex = rows;
  for (const r of network.rows) r.verdict = verdict(r);
  return network.rows;
}
function className(network, index) {
  classRows(network);
  const r = network.byIndex.get(index);
  const name = r && (r.name || r.id);
  return printable(name ? name + (r.id && r.name && r.id !== r.name ? " (" + r.id + ")" : "") : "class " + index);
}
// The quarters of the plane of own accuracy and false alarms; METHOD 5a.1 has the border of constant answers. None of
// them is called specific: that is a claim (METHOD 5a.8), which needs a test.
function verdict(r) {
  if (r.state !== "finished") return r.state;
  if (!known(r.false_alarms) || !known(r.after)) return "not measured";
  if (r.false_alarms > 50) return "constant answer";
  return r.after >= 50 ? "its class" : "seldom its class";
}
function tally(network) {
  const count = (v) => classRows(network).filter((r) => r.verdict === v).length;
  const finished = classRows(network).filter((r) => r.state === "finished");
  const t = {
    finished: finished.length,
    specific: count("its class"),
    constant: count("constant answer"),
    silent: count("seldom its class"),
    unmeasured: count("not measured")
  };
  for (const name of ["before", "after", "false_alarms", "false_alarms_unshown", "kept"])
    t[name] = mean(finished.map((r) => r[name]));
  t.measured = t.specific + t.constant + t.silent;
  return t;
}
