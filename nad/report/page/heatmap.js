// A matrix as a picture of its values; names and number where the pointer is.
const heatMaps = [];  // {canvas, paint}
const hover = document.getElementById("hover");

function say(event, ...content) {
  hover.replaceChildren(...content);
  hover.hidden = false;
  const x = Math.min(event.clientX + 14, innerWidth - hover.offsetWidth - 8), y = event.clientY + 18;
  hover.style.left = Math.max(8, x) + "px";
  hover.style.top = (y + hover.offsetHeight > innerHeight ? event.clientY - hover.offsetHeight - 12 : y) + "px";
}
const hush = () => {
  hover.hidden = true;
};

// [256] colours of the theme's ramp as r, g, b.
function rampOf(t) {
  const stops = t.heat.map((c) => {
    const n = parseInt(c.slice(1), 16);
    return [n >> 16, n >> 8 & 255, n & 255];
  });
  return Array.from({length: 256}, (_, i) => {
    const at = i / 255 * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(at)), f = at - k;
    return stops[k].map((c, j) => Math.round(c + f * (stops[k + 1][j] - c)));
  });
}

// The largest values off the diagonal, in words; of a symmetric matrix each once.
const kMost = 6;
function mostOf(values, rows, columns, options) {
  const list = [];
  let symmetric = rows === columns;
  for (let i = 0; symmetric && i < rows; i++)
    for (let j = 0; j < i; j++)
      if (Math.abs(values[i * columns + j] - values[j * columns + i]) > 1e-6) {
        symmetric = false;
        break;
      }
  for (let i = 0; i < rows; i++) {
    for (let j = symmetric ? i + 1 : 0; j < columns; j++) {
      const v = values[i * columns + j];
      if ((options.isOwn ? options.isOwn(i, j) : i === j) || !known(v) ||
          (list.length === kMost && v <= list[kMost - 1].v))
        continue;
      list.push({i, j, v});
      list.sort((a, b) => b.v - a.v);
      list.length = Math.min(list.length, kMost);
    }
  }
  return element(
      "div", {}, element("p", {class: "eyebrow"}, "Largest, a class with itself left out"),
      element(
          "ul", {class: "most"},
          list.map(
              (e) => element(
                  "li", {}, element("span", {}, options.sentence(e.i, e.j)),
                  element("b", {}, options.format(e.v, true))))));
}

// values: [rows, columns]. options: format(v, exact), sentence(i, j) for the pointer, rowName(i) and columnNumber(j) for
// the margin of small ones, low, high: of the ramp, choose(i): what a click does.
function heatMap(values, rows, columns, options) {
  let smallest = Infinity, largest = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < smallest) smallest = values[i];
    if (values[i] > largest) largest = values[i];
  }
  const low = options.low ?? smallest, high = options.high ?? largest;
  const canvas = element("canvas", {role: "img", tabindex: "0", "aria-label": options.description});
  const named = options.rowName && Math.max(rows, columns) <= 20;
  let cell = Math.max(1, Math.floor(1000 / Math.max(rows, columns))), left = 0, top = 0, scale = 1;
  // Text is as large on a phone as on a wide screen: scale is pixels of the canvas in one of the page.
  const longest = () => {
    const pen = canvas.getContext("2d");
    pen.font = Math.round(11 * scale) + "px " + theme().sans;
    return Math.max(...Array.from({length: rows}, (_, i) => pen.measureText(options.rowName(i)).width));
  };
  const measure = () => {
    scale = 1240 / (canvas.clientWidth || 544);
    if (named) [left, top] = [Math.round(Math.min(longest() + 14 * scale, 150 * scale, 400)), Math.round(20 * scale)];
    if (named) cell = Math.floor((1240 - left) / columns);
    canvas.width = left + cell * columns;
    canvas.height = top + cell * rows;
    canvas.style.aspectRatio = canvas.width + " / " + canvas.height;
    if (cell < 4) canvas.style.imageRendering = "pixelated";
  };
  const paint = () => {
    measure();
    const t = theme(), ramp = rampOf(t), pen = canvas.getContext("2d");
    const small = element("canvas");
    small.width = columns;
    small.height = rows;
    const image = small.getContext("2d").createImageData(columns, rows);
    const none = parseInt(t.none.slice(1), 16), blank = [none >> 16, none >> 8 & 255, none & 255];
    const pixels = new Uint32Array(image.data.buffer),
          packed = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
    const inks = ramp.map(packed), scaleOf = high > low ? 255 / (high - low) : 0, absent = packed(blank);
    for (let i = 0; i < rows * columns; i++) {
      const v = values[i];
      pixels[i] =
          v === v ? inks[Math.max(0, Math.min(255, scaleOf ? Math.round((v - low) * scaleOf) : 128))] : absent;
    }
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(small, left, top, cell * columns, cell * rows);
    if (named) names(pen, t);
    if (!named || cell / scale < 24) return;
    pen.font = Math.round(Math.min(13 * scale, cell / 2.4)) + "px " + t.sans;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let i = 0; i < rows * columns; i++) {
      if (!known(values[i])) continue;
      const [r, g, b] = image.data.slice(4 * i, 4 * i + 3);
      pen.fillStyle = 0.3 * r + 0.6 * g + 0.1 * b > 130 ? "#15181b" : "#fdfcf9";
      pen.fillText(
          options.format(values[i]), left + (i % columns + 0.5) * cell, top + (Math.floor(i / columns) + 0.5) * cell);
    }
  };
  // The class of every row, the number of every column.
  const names = (pen, t) => {
    pen.font = Math.round(11 * scale) + "px " + t.sans;
    pen.fillStyle = t.soft;
    pen.textBaseline = "middle";
    for (let i = 0; i < rows; i++) {
      let text = options.rowName(i);
      while (text.length > 2 && pen.measureText(text).width > left - 12 * scale) text = text.slice(0, -2) + "…";
      pen.textAlign = "right";
      pen.fillText(text, left - 6 * scale, top + (i + 0.5) * cell);
    }
    pen.textAlign = "center";
    for (let j = 0; j < columns; j++) pen.fillText(options.columnNumber(j), left + (j + 0.5) * cell, top / 2);
  };
  let at = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), pixels = canvas.width / box.width;
    const i = Math.floor(((event.clientY - box.top) * pixels - top) / cell),
          j = Math.floor(((event.clientX - box.left) * pixels - left) / cell);
    return i >= 0 && j >= 0 && i < rows && j < columns ? [i, j] : null;
  };
  const tell = (event, i, j) => say(
      event, options.sentence(i, j), element("br"),
      element(
          "b", {}, known(values[i * columns + j]) ? options.format(values[i * columns + j], true) : "not measured"));
  for (const kind of ["pointermove", "pointerdown"]) {
    canvas.addEventListener(kind, (event) => {
      const p = place(event);
      p ? tell(event, ...p) : hush();
    });
  }
  canvas.addEventListener("pointerleave", hush);
  canvas.addEventListener("blur", hush);
  canvas.addEventListener("click", (event) => {
    const p = place(event);
    if (p && options.choose) options.choose(p[0]);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key];
    if (step === undefined) return;
    event.preventDefault();
    at = Math.max(0, Math.min(rows * columns - 1, at + step));
    const box = canvas.getBoundingClientRect(), i = Math.floor(at / columns), j = at % columns;
    const pixels = canvas.width / box.width;
    tell(
        {
          clientX: box.left + (left + (j + 0.5) * cell) / pixels,
          clientY: box.top + (top + (i + 0.5) * cell) / pixels
        },
        i, j);
  });
  heatMaps.push({canvas, paint});
  const ramp = element("div", {class: "ramp"}, options.format(low, true), element("i"), options.format(high, true));
  return element("div", {class: "heat"}, element("div", {}, canvas, ramp), mostOf(values, rows, columns, options));
}
