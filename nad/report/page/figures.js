// The paper's figures in its order, each with its control.
const single = (networks) => {
  const archs = [...new Set(networks.map(archOf))];
  return archs.length === 1 ? archs[0] : "";
};
const placesLike = (network) => Number(network.facts.num_classes) === 365;

const binOf = (v) => v <= 10 ? 0 : Math.min(9, Math.ceil(v / 10) - 1);
function histogram(values) {
  const counts = new Array(10).fill(0);
  for (const v of values)
    if (known(v)) counts[binOf(v)]++;
  return counts;
}

function fig2Card(network) {
  const rows = classRows(network).filter((r) => r.state === "finished");
  const of = (name) => histogram(rows.map((r) => r[name]));
  const set = places(network);
  const make = (th) => ({
    type: "bar",
    data: {
      labels: Array.from({length: 10}, (_, i) => (i ? "(" : "[") + 10 * i + ", " + 10 * (i + 1) + "]"),
      datasets: [
        {
          label: "before: the original network",
          data: of("before"),
          backgroundColor: clear(th.series[6], 0.35),
          borderColor: th.series[6],
          borderWidth: 1.5
        },
        {label: "after: the class's sub-architecture", data: of("after"), backgroundColor: th.series[0]},
        {
          label: "false alarms of it",
          data: of("false_alarms"),
          backgroundColor: stripes(th.series[1], th.card),
          borderColor: th.series[1],
          borderWidth: 1.5
        },
      ],
    },
    options: {
      layout: {padding: {top: 40}},
      scales: {
        x: {title: {display: true, text: "percent of images"}, grid: {display: false}},
        y: {ticks: {precision: 0}, title: {display: true, text: "classes"}}
      },
      plugins: {
        legend: legend(),
        marks: {
          brackets: [
            {from: 9, to: 9, row: 0, label: "paper, after: most classes"},
            {from: set.from / 10, to: set.to / 10 - 1, row: 1, label: "paper, before: most"}
          ]
        },
      },
    },
  });
  return element(
      "div", {class: "card"}, element("h4", {}, network.title),
      plot(make, "Histogram of Top-1 before and after and of false alarms, " + network.title));
}
const places = (network) => placesLike(network) ? PAPER.before.places : PAPER.before.imagenet;

function drawSimilarity(items) {
  const arch = single(items.map((i) => i.network)), paper = PAPER.similarity[arch] || {};
  const levels = paper.level ? [{
    axis: "y",
    value: 100 * paper.level.value,
    from: paper.level.from,
    to: paper.level.to,
    label: "paper: above 90 %"
  }] :
                               [];
  return [overlaid(items, {
    only: /^(similarity|chance)$/,
    plain: /^chance$/,
    names: {similarity: "similarity of two classes", chance: "by chance, sets of the same sizes"},
    description: "Jaccard similarity and chance",
    yTitle: "Jaccard similarity",
    levels,
    ranges: paper.range ? [{...paper.range, from: paper.range.from - 0.5, to: paper.range.to + 0.5}] : [],
  })];
}

function drawHitRate(items) {
  const arch = single(items.map((i) => i.network)), paper = PAPER.hitRate[arch] || {};
  return [overlaid(items, {
    only: /^(hit_rate|swap|random)$/,
    names:
        {hit_rate: "hit rate, own class", swap: "swap: a class that is not in the picture", random: "random masks"},
    plain: /^random$/,
    description: "Hit rate, swap and random masks",
    yTitle: "hit rate",
    exactly: {name: "the original network: 25 % exactly", y: 25},
    ranges: paper.range ? [{...paper.range, from: paper.range.from - 0.5, to: paper.range.to + 0.5}] : [],
  })];
}

// Mis - Oth of every network with its interval, and the paper's.
function drawTable1(items) {
  const points = items.map(({network, f}, i) => ({
                             y: items.length - i,
                             network,
                             f,
                             mid: f.facts.difference,
                             low: f.facts.difference_low,
                             high: f.facts.difference_high
                           }));
  const paper = (set) => points.filter((p) => PAPER.table1[archOf(p.network)])
                             .map((p) => ({x: PAPER.table1[archOf(p.network)][set].reduce((a, b) => a - b), y: p.y}));
  const make = (t) => ({
    type: "scatter",
    data: {
      datasets: [
        {
          label: "here, with 95 % interval",
          data: points.filter((p) => known(p.mid)).map((p) => ({x: 100 * p.mid, y: p.y})),
          backgroundColor: t.series[0],
          borderColor: t.series[0],
          pointStyle: "circle",
          pointRadius: 6
        },
        ...points.filter((p) => known(p.low) && known(p.high))
            .map((p) => ({
                   type: "line",
                   unnamed: true,
                   label: "",
                   data: [{x: 100 * p.low, y: p.y}, {x: 100 * p.high, y: p.y}],
                   borderColor: t.series[0],
                   borderWidth: 3,
                   pointRadius: 0,
                   pointHitRadius: 0
                 })),
        {
          label: "paper, ImageNet",
          data: paper("imagenet"),
          borderColor: t.series[5],
          backgroundColor: t.card,
          borderWidth: 2,
          pointStyle: "rectRot",
          pointRadius: 7
        },
        {
          label: "paper, Places365",
          data: paper("places"),
          borderColor: t.series[3],
          backgroundColor: t.card,
          borderWidth: 2,
          pointStyle: "triangle",
          pointRadius: 7
        },
      ],
    },
    options: {
      scales: {
        x: {title: {display: true, text: "Mis − Oth, percentage points"}, suggestedMin: -1, suggestedMax: 1},
        y: {
          min: 0.4,
          max: items.length + 0.6,
          grid: {display: false},
          ticks: {stepSize: 1, callback: (v) => points.find((p) => p.y === v)?.network.title ?? ""}
        },
      },
      plugins: {
        legend: legend(),
        marks: {levels: [{axis: "x", value: 0, label: "no difference"}]},
        tooltip: {
          filter: (item) => !item.dataset.unnamed,
          callbacks: {label: (item) => item.dataset.label + ": " + item.parsed.x.toFixed(2) + " points"}
        },
      },
    },
  });
  const chart = element("div", {class: "card"}, plot(make, "Mis minus Oth with intervals", "low"));
  if (items.length > 3) chart.firstChild.style.height = 8 + 3 * items.length + "rem";
  const interval = (k) => known(k.difference_low) && known(k.difference_high) ?
      " [" + (100 * k.difference_low).toFixed(2) + ", " + (100 * k.difference_high).toFixed(2) + "]" :
      "";
  const head = [
    "Network", "Mis", "Oth", "Mis − Oth", "p", "mistakes", "top 1, 3, 5 (chance), %", "paper, ImageNet",
    "paper, Places365"
  ];
  const table = element(
      "div", {class: "table"},
      element(
          "table", {},
          element(
              "thead", {},
              element(
                  "tr", {}, head.map((h, i) => element("th", {scope: "col", class: i && i !== 6 ? "n" : null}, h)))),
          element("tbody", {}, items.map(({network, f}) => {
            const k = f.facts, values = PAPER.table1[archOf(network)],
                  among = [1, 3, 5].filter((n) => known(k["top" + n + "_share"]) && known(k["top" + n + "_chance"]));
            return element(
                "tr", {}, element("td", {}, network.title),
                ...[share(k.mean_mis, 2), share(k.mean_oth, 2),
                    known(k.difference) ? (100 * k.difference).toFixed(2) + interval(k) : "–",
                    known(k.p) ? k.p.toFixed(4) : "–", number(k.mistakes_in_table ?? NaN)]
                    .map((v) => element("td", {class: "n"}, v)),
                element(
                    "td", {},
                    among.length ?
                        [
                          "share", "chance"
                        ].map((what) => among.map((n) => (100 * k["top" + n + "_" + what]).toFixed(0)).join(", "))
                                .join(" (") +
                            ")" :
                        "–"),
                ...["imagenet", "places"].map(
                    (set) => element(
                        "td", {class: "n"}, values ? values[set].map((v) => v.toFixed(2)).join(" / ") : "–")));
          }))));
  return [chart, table];
}

function fig6Card({network, f}) {
  const beta = column(f, "beta"), first = column(f, "reconstruction"), regular = column(f, "regularisation");
  if (!beta) return null;
  const points = beta.map((b, i) => ({x: regular[i], y: first[i], beta: b})).filter((p) => known(p.x) && known(p.y));
  if (points.length < 2) return null;
  const elbow = points.filter((p) => p.beta === f.facts.elbow);
  const make = (t) => ({
    type: "scatter",
    data: {
      datasets: [
        {
          label: "β, mean of " + plural(f.facts.classes, "class", "classes"),
          data: points,
          showLine: true,
          borderColor: t.series[0],
          backgroundColor: t.series[0],
          pointRadius: 4
        },
        {
          label: "elbow: farthest from the chord",
          data: elbow,
          borderColor: t.series[1],
          backgroundColor: t.card,
          borderWidth: 3,
          pointStyle: "rectRot",
          pointRadius: 10
        },
        {
          label: "chord",
          data: [points[0], points[points.length - 1]],
          showLine: true,
          borderColor: t.soft,
          borderDash: [5, 4],
          borderWidth: 1.3,
          pointRadius: 0,
          pointStyle: "line"
        },
      ],
    },
    options: {
      scales:
          {x: {title: {display: true, text: "regularisation"}}, y: {title: {display: true, text: "reconstruction"}}},
      plugins: {
        legend: legend(),
        tooltip: {
          callbacks: {
            label: (item) => "β " + number(item.raw.beta) + ": reconstruction " + number(item.raw.y) +
                ", regularisation " + number(item.raw.x)
          }
        }
      },
    },
  });
  return element(
      "div", {class: "card"}, element("h4", {}, network.title),
      plot(make, "Reconstruction against regularisation, " + network.title));
}

const saidOf = (what, networks) => [...new Set(networks.map(archOf))]
                                       .filter((a) => PAPER[what][a])
                                       .map((a) => ARCH_NAMES[a] + ": " + PAPER[what][a].text + ".");

const PAPER_FIGURES = [
  {
    id: "fig2",
    match: /^fig2/,
    eyebrow: "Figure 2",
    title: "Does disentanglement occur?",
    lead:
        "Top-1 of each class on its validation images: by the whole network, and by the class's own sub-architecture.",
    control:
        "false alarms, the share of other classes' images that the sub-architecture calls its own. A constant answer has 100 % after, and 100 % false alarms.",
    paper: () =>
        ["after disentanglement most classes lie in (90, 100]; before, in (70, 90] on ImageNet and (40, 70] on Places365. It reports no false alarms."],
    draw: (items) => [element("div", {class: items.length > 1 ? "pair" : ""}, items.map((i) => fig2Card(i.network)))],
  },
  {
    id: "fig4-similarity",
    match: /^fig4_sim|^similarity/,
    eyebrow: "Figure 4, row 1",
    title: "How alike are the sub-architectures of different classes?",
    lead:
        "Jaccard similarity of the kept channels, layer by layer, mean over all pairs of classes. The band is the 95 % interval over classes.",
    control:
        "chance, the similarity that two random sets of the same sizes have. Only what lies above it can say anything of classes.",
    paper: (networks) => saidOf("similarity", networks),
    draw: drawSimilarity,
  },
  {
    id: "fig4-hit-rate",
    match: /hit_rate/,
    eyebrow: "Figure 4, row 2",
    title: "Does a sub-architecture look where its class is?",
    lead:
        "Four images side by side, seen through the sub-architecture of one of them: the share of the most active pixels that lie on its own image.",
    control:
        "the swap, the same picture through the sub-architecture of a class that is not in it; random masks of the same sizes; and the original network, whose four quarters add up to 100 %.",
    paper: (networks) => saidOf("hitRate", networks),
    draw: drawHitRate,
  },
  {
    id: "table1",
    match: /^table1/,
    eyebrow: "Table 1",
    title: "Do mistakes go to classes with similar sub-architectures?",
    lead: "Mis is the mean similarity with the classes that images are mistaken for, Oth with all others.",
    control:
        "the interval of the difference over classes, and p, how often classes in random places do as well; the share of mistakes that go to one of the 1, 3 or 5 most similar classes, beside chance.",
    paper: () => ["Mis is larger than Oth for all four networks on both data sets; it gives no intervals."],
    draw: drawTable1,
  },
  {
    id: "fig6",
    match: /^fig6/,
    eyebrow: "Figure 6",
    title: "Where is the elbow of β?",
    lead:
        "Reconstruction against regularisation over a grid of β; the elbow is the point farthest from the chord of the normalised curve.",
    draw: (items) => [element("div", {class: items.length > 1 ? "pair" : ""}, items.map(fig6Card))],
  },
];
