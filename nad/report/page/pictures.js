// Where networks look, image by image: the pictures that nad_explain has drawn.
const drawn = JSON.parse(document.getElementById("pictures").textContent);

function pictureCard(picture) {
  const [title, ...lines] = (picture.description || picture.name).split("\n").map(printable);
  return element(
      "figure", {class: "card maps"},
      element(
          "div", {class: "wide", tabindex: 0, role: "group", "aria-label": "picture, it scrolls: " + title},
          element("img", {
            src: "data:image/png;base64," + picture.png,
            alt: picture.description ? [title, ...lines].join(". ") : "a picture without a description",
            width: picture.width,
            height: picture.height,
            loading: "lazy"
          })),
      element("figcaption", {}, element("b", {}, title), lines.map((line) => element("span", {}, line))));
}

function mapsSection() {
  const notes = [];
  if (!drawn.pictures.length)
    notes.push(note("missing", "Missing:", "pictures of nad_explain: give its folder to nad_report too."));
  if (drawn.left_out)
    notes.push(note(
        "missing", "Left out:",
        plural(drawn.left_out, "picture") + ", for which the page has no room; give fewer or smaller ones."));
  return element(
      "section", {id: "maps", "data-chapter": "Feature maps"}, element("h2", {}, "Where they look, image by image"),
      drawn.pictures.length ?
          element(
              "p", {class: "soft"},
              "An image through sub-architectures and, in the last row, through the original network (the paper's Figures 4, 5 and 7 to 16). A column is a layer; what is not among the most active 5 % of pixels is dark. Control: where the rows are alike, the sub-architecture looks where the network looks anyway.") :
          null,
      element("div", {class: "notes"}, notes), drawn.pictures.map(pictureCard));
}
