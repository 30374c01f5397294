// What decides whether the figures mean anything (docs/METHOD.md, section 5a), and the claims.
const asShare = (v, exact) => exact ? share(v) : (100 * v).toFixed(0);  // percent; the unit stands in the legend
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
function drawStability(items) {
  const silent = items.length === 1 && column(items[0].f, "says_nothing_of_classes");
  const ranges = (silent || [])
                     .map((v, i) => ({v, at: i + firstLayer(items[0].network)}))
                     .filter((r) => r.v === 1)
                     .map((r) => ({from: r.at - 0.5, to: r.at + 0.5, label: ""}));
  return [overlaid(items, {
    only: /^(within|between|chance)$/,
    plain: /^chance$/,
    names: {within: "within a class", between: "between classes", chance: "by chance"},
    yTitle: "Jaccard similarity",
    ranges
  })];
}
const drawSizes = (items) => [overlaid(
    items, {names: {own: "own images answered right", false_alarms: "false alarms"}, only: /^(own|false_alarms)$/})];

const drawObjectMasks = (items) => [overlaid(items, {
  only: items.length > 1 ? /^(inside|swap|mask_share)$/ : /^(inside|original|swap|other_mask|mask_share)$/,
  names: {
    inside: "own class's sub-architecture",
    original: "the original network",
    swap: "swap: another class's sub-architecture",
    other_mask: "scored on another image's object",
    mask_share: "the object's share of the image",
  },
  plain: /^mask_share$/,
  description: "Share of activated pixels on the object",
  yTitle: "on the object",
})];

const CONTROLS = [
  {
    id: "transfer",
    match: /^transfer/,
    eyebrow: "Control 1",
    title: "Is it the class that is recognised, or is it always said?",
    lead:
        "Each row is a sub-architecture, each column the class of the images that it is shown; the colour is how often it answers its own class. A specific one stands out on the diagonal alone; a constant answer fills its row.",
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
    draw: drawSizes,
  },
  {
    id: "stability",
    match: /stability|within/,
    eyebrow: "Control 5",
    title: "Is it the same sub-architecture when it is learnt again?",
    lead:
        "Similarity within a class (other starts, orders, halves of the images) and between classes. Where the two do not differ, a layer's similarity says nothing of classes: such layers are shaded.",
    draw: drawStability,
  },
  {
    id: "object-masks",
    match: /^object_masks/,
    eyebrow: "Control 7",
    title: "Does a sub-architecture look at the object?",
    lead:
        "Images of a class whose object is known to the pixel, through the class's sub-architecture: the share of the most active pixels that lie on the object. The band is the 95 % interval over classes.",
    control:
        "the object's share of the image, which a map that points anywhere has; the same map scored on another image's object, which one that points where objects usually are has; the original network; and the swap, the same images through another class's sub-architecture. A map of 2 x 2 cells points into a corner whatever it shows.",
    draw: drawObjectMasks,
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

// The claims that the rules of METHOD 5a.8 know, and what was measured. Each is said only where its rule made it.
const CLAIMS = [
  {
    name: "falls_with_depth",
    text: "Similarity between classes, above chance, falls with depth.",
    from: /^fig4_sim/,
    measured: (k) => "rank correlation with depth " + number(k.depth_correlation, 3),
    p: "depth_p"
  },
  {
    name: "similar_mistakes",
    text: "Mistakes go to classes with similar sub-architectures.",
    from: /^table1/,
    measured: (k) => "Mis − Oth " + number(100 * k.difference, 3) + " points",
    p: "p"
  },
  {
    name: "specific",
    text: "The sub-architectures of this network are specific to their classes.",
    from: /^random_mask/,
    measured: (k) => "balanced accuracy " + number(k.mean_balanced_accuracy, 3),
    p: "p"
  },
  {
    name: "stable",
    text: "The class decides the sub-architecture, not only the start it was learnt from.",
    from: /^stability/,
    measured: (k) => "separation " + number(k.separation, 3),
    p: "p"
  },
  {
    name: "looks_at_its_class",
    text: "Sub-architectures look at their own class more than others' do.",
    from: /hit_rate/,
    measured: (k) => "hit rate above the swap's by " + share(k.mean_difference, 2),
    p: "p"
  },
];
const CLAIM_PARTS = /^(?:not shown: )?(.*?)(?: \((.*)\))?$/;

// {name, text, shown, why} of the findings of claims.
function claimRows(f) {
  const name = column(f, "claim"), sentence = column(f, "sentence") || name, shown = column(f, "shown");
  if (!name || !shown) return [];
  return name.map((n, i) => {
    const [, text, why] = CLAIM_PARTS.exec(sentence[i].replace(/\s+/g, " "));
    return {
      name: n,
      text: capital(text) + (text.endsWith(".") ? "" : "."),
      shown: shown[i] === 1,
      why: why ? capital(why) + "." : ""
    };
  });
}
function isShown(network, claim) {
  const f = findings(network, /^claims?$/);
  return Boolean(f) && claimRows(f).some((r) => r.name === claim && r.shown);
}
function unmadeClaim(network, claim) {
  const f = findings(network, claim.from), p = f && f.facts[claim.p];
  const measured = known(p) ? capital(claim.measured(f.facts)) + ", p " + number(p, 3) + " before correction. " : "";
  return {
    text: claim.text,
    shown: false,
    why: measured +
        "No rule has made it: " + (f && hasContent(f) ? "nad_analyse has not made claims." : whyMissing(f) + ".")
  };
}
function claimsSection() {
  const parts = report.networks.map((network) => {
    const f = findings(network, /^claims?$/), rows = f ? claimRows(f) : [];
    const all =
        [...rows, ...CLAIMS.filter((c) => !rows.some((r) => r.name === c.name)).map((c) => unmadeClaim(network, c))];
    const list = all.map(
        (c) => element(
            "li", {"data-shown": String(c.shown)},
            element("span", {class: c.shown ? "mark shown" : "mark"}, c.shown ? "✓ shown" : "○ not shown"),
            element(
                "div", {}, element("q", {}, printable(c.text)),
                element("div", {class: "small soft"}, printable(c.why)))));
    return [
      report.networks.length > 1 ? element("h3", {}, network.title) : null, element("ul", {class: "claims"}, list)
    ];
  });
  return element(
      "section", {id: "claims", "data-chapter": "Claims"}, element("h2", {}, "Claims"),
      element(
          "p", {class: "soft"},
          "A claim is a sentence that a coded rule makes from a test at 5 % after Holm's correction. Without it: not shown, whatever the figures look like."),
      parts);
}
