// What decides whether the figures mean anything (docs/METHOD.md, section 5a), and the claims.
const asShare = (v, exact) => share(v, exact ? 1 : 0);
const squareArray = (f, pattern) =>
    Object.keys(f.arrays).find((n) => pattern.test(n) && f.arrays[n].shape.length === 2);
const cards = (nodes) => {
  const there = nodes.filter(Boolean);
  return there.length ? [element("div", {class: there.length > 1 ? "pair" : ""}, there)] : [];
};

function drawTransfer(items) {
  return cards(items.flatMap(
      ({network,
        f}) => [["transfer", "the sub-architectures"], ["original_transfer", "control: the original network"]]
                   .map(([name, who]) => f.arrays[name] && matrixCard(network, f, name, {
                                           heading: network.title + ", " + who,
                                           format: asShare,
                                           low: 0,
                                           high: 1,
                                           sentence: (own, shown, same) =>
                                               own + (same ? ", shown its own images" : ", shown " + shown),
                                         }))));
}
function drawSimilarityMatrix(items) {
  return cards(items.map(({network, f}) => {
    const name = squareArray(f, /^matrix/);
    return name &&
        matrixCard(
               network, f, name,
               {noDiagonal: true, format: asShare, sentence: (a, b) => (a === b ? a : a + " and " + b)});
  }));
}
// [classes, draws] of findings, beside what the sub-architectures do.
const drawsOf = (marked, xTitle) => (items) => {
  const nodes = items.map(({network, f}) => {
    const name = Object.keys(f.arrays).find((n) => /random|draw/.test(n));
    return name && drawsCard(network, f.arrays[name], marked(f.facts), {xTitle});
  });
  return nodes.some(Boolean) ? cards(nodes) : genericDrawing(items);
};
const linesAlone = (items) => [overlaid(items)];

const CONTROLS = [
  {
    id: "transfer",
    match: /^transfer/,
    eyebrow: "Control 1",
    title: "Is it the class that is recognised, or is it always said?",
    lead:
        "Each row is a sub-architecture, each column the class of the images that it is shown; the colour is how often it answers its own class. A specific one is dark on the diagonal alone; a constant answer is a dark row.",
    draw: drawTransfer,
  },
  {
    id: "faithfulness",
    match: /faithful/,
    eyebrow: "Control 2",
    title: "Does a sub-architecture answer as the original does?",
    lead:
        "On the class's own images: the divergence of its softmax from the original's, and how often both give the same answer.",
    draw: () => [],
  },
  {
    id: "complement",
    match: /complement/,
    eyebrow: "Control 2",
    title: "Is the class lost without its channels?",
    lead:
        "The network without the sub-architecture's channels, on own images, beside the network without as many random ones.",
    draw: drawsOf(
        (k) => [["without the sub-architecture", k.mean_complement], ["original", k.mean_original]],
        "own images answered right, mean over classes"),
  },
  {
    id: "random-masks",
    match: /random_mask/,
    eyebrow: "Control 3",
    title: "Would a random mask of the same sizes do as well?",
    lead:
        "Masks that keep as many channels of every gate, drawn at random. p is how often a draw is at least as good.",
    draw: drawsOf(
        (k) => [
            ["learnt", k.mean_balanced_accuracy ?? k.observed], ["by activation", k.mean_by_activation],
            ["by gradient", k.mean_by_gradient]],
        "balanced accuracy, mean over classes"),
  },
  {
    id: "size-sweep",
    match: /sweep/,
    eyebrow: "Control 4",
    title: "How much depends on the number of channels?",
    lead: "The share of each gate's channels with the largest logits is kept: own accuracy and false alarms.",
    draw: linesAlone,
  },
  {
    id: "stability",
    match: /stability|within/,
    eyebrow: "Control 5",
    title: "Is it the same sub-architecture when it is learnt again?",
    lead:
        "Similarity within a class (other starts, orders, halves of the images) and between classes. Where the two do not differ, a layer's similarity says nothing of classes.",
    draw: linesAlone,
  },
  {
    id: "random-network",
    match: /random_net|shuffled/,
    eyebrow: "Control 6",
    title: "Can a network that knows nothing do the same?",
    lead:
        "The same architecture with random weights, and with shuffled labels. What they can do too is not knowledge.",
  },
  {
    id: "similarity-matrix",
    match: /^fig4_sim|^similarity/,
    eyebrow: "Class by class",
    title: "Which classes are alike?",
    lead: "Mean Jaccard similarity of two classes over all layers. The diagonal is left out.",
    draw: drawSimilarityMatrix,
  },
];

// The claims that the rules of METHOD 5a.8 know; each is said only where its rule made it.
const CLAIMS = [
  {
    match: /depth|similarity/i,
    text: "The similarity of sub-architectures falls with depth.",
    measured: (n) => {
      const f = findings(n, /^fig4_sim/);
      return f && known(f.facts.depth_correlation) ? "rank correlation of what is above chance with depth " +
              number(f.facts.depth_correlation, 3) + ", p " + number(f.facts.depth_p, 3) + " before correction" :
                                                     "";
    }
  },
  {
    match: /mistake/i,
    text: "Mistakes go to classes with similar sub-architectures.",
    measured: (n) => {
      const f = findings(n, /^table1/);
      return f && known(f.facts.difference) ? "Mis − Oth " + (100 * f.facts.difference).toFixed(2) + " points, p " +
              number(f.facts.p, 3) + " before correction" :
                                              "";
    }
  },
  {
    match: /specific/i,
    text: "The sub-architectures are specific to their classes.",
    measured: (n) => {
      const t = tally(n);
      return t.measured ? plural(t.constant, "constant answer") + " among " + t.measured + ", false alarms " +
              percent(t.false_alarms) :
                          "";
    }
  },
];
// {text, shown, why} of the rows of a table of claims.
function claimRows(f) {
  const text = f.table.find((c) => /claim|sentence|text/.test(c.name)) ||
      f.table.find((c) => c.values.some((v) => typeof v === "string"));
  const shown = f.table.find((c) => /shown|holds|made|rejected/.test(c.name)), p = column(f, "p"),
        why = f.table.find((c) => /why|reason|about|basis/.test(c.name));
  if (!text || !shown) return [];
  return text.values.map(
      (sentence, i) => ({
        text: sentence,
        shown: shown.values[i] === 1 || shown.values[i] === "shown" || shown.values[i] === "yes",
        why: [why && why.values[i], p && known(p[i]) ? "p " + number(p[i], 3) : ""].filter(Boolean).join(", "),
      }));
}
function claimsSection() {
  const list = [];
  for (const network of report.networks) {
    const f = findings(network, /^claims?/), rows = f ? claimRows(f) : [];
    const all = [
      ...rows,
      ...CLAIMS.filter((c) => !rows.some((r) => c.match.test(r.text)))
          .map((c) => ({
                 text: c.text,
                 shown: false,
                 why: [c.measured(network), "no rule has made it"].filter(Boolean).join("; ")
               }))
    ];
    list.push(...all.map(
        (c) => element(
            "li", {"data-shown": String(c.shown)},
            element("span", {class: c.shown ? "mark shown" : "mark"}, c.shown ? "✓ shown" : "○ not shown"),
            element(
                "div", {}, element("q", {}, printable(c.text)),
                element(
                    "div", {class: "small soft"},
                    (report.networks.length > 1 ? network.title + ". " : "") + printable(c.why))))));
  }
  return element(
      "section", {id: "claims", "data-chapter": "Claims"}, element("h2", {}, "Claims"),
      element(
          "p", {class: "soft"},
          "A claim is a sentence that a coded rule makes from a test at 5 % after Holm's correction. Without it: not shown, whatever the figures look like."),
      element("ul", {class: "claims"}, list));
}
