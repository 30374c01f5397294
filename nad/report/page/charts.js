// Charts by Chart.js in the colours of the page. Every series differs by marker and dash too.
const MARKERS = ["circle", "rect", "triangle", "rectRot", "star", "crossRot", "rectRounded"];
// With the seven colours: no two of 49 series have both in common.
const markerOf = (i) => MARKERS[(i + Math.floor(i / 7)) % MARKERS.length];
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4]];
const FINE_DASHES = [[3, 3], [4, 2], [1.5, 2.5], [5, 2, 1.5, 2], [3, 3]];  // of lines without markers
const charts = [];                                                         // {canvas, make, chart}
let printing = false;

function theme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    ink: value("--ink"),
    soft: value("--soft"),
    grid: value("--grid"),
    card: value("--card"),
    none: value("--none"),
    bad: value("--bad"),
    rule: value("--rule"),
    series: [0, 1, 2, 3, 4, 5, 6].map((i) => value("--s" + i)),
    heat: [0, 1, 2, 3, 4].map((i) => value("--h" + i)),
    sans: value("--sans"),
  };
}
function clear(colour, alpha) {
  const n = parseInt(colour.slice(1), 16);
  return `rgba(${n >> 16}, ${n >> 8 & 255}, ${n & 255}, ${alpha})`;
}
function stripes(colour, background) {
  const tile = element("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = background;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = colour;
  pen.lineWidth = 2.4;
  for (const x of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(x - 1, 9);
    pen.lineTo(x + 9, -1);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
}

// Ranges of x behind a chart, marks on it: what the paper saw, levels that are known exactly.
// options.ranges: {from, to, label}; levels: {axis, value, label}; brackets: {from, to, row, label} above bars;
// counts: {x, y, radius, text} beside points
const marks = {
  id: "marks",
  beforeDatasetsDraw(chart, _, options) {
    const {ctx: pen, chartArea: area, scales} = chart, t = theme();
    pen.save();
    pen.font = "11px " + t.sans;
    for (const r of options.ranges || []) {
      const a = scales.x.getPixelForValue(r.from), b = scales.x.getPixelForValue(r.to);
      pen.fillStyle = clear(t.series[5], 0.13);
      pen.fillRect(a, area.top, b - a, area.bottom - area.top);
      pen.fillStyle = t.soft;
      const width = pen.measureText(r.label).width;
      pen.fillText(
          r.label, Math.max(area.left + 2, Math.min((a + b - width) / 2, area.right - width - 2)), area.top + 12);
    }
    for (const l of options.levels || []) {
      pen.strokeStyle = l.colour || t.soft;
      pen.lineWidth = l.firm ? 2.4 : 1.4;
      pen.setLineDash(l.firm ? [] : [3, 3]);
      pen.beginPath();
      const at = scales[l.axis].getPixelForValue(l.value);
      if (l.axis === "y") {
        pen.moveTo(l.from === undefined ? area.left : scales.x.getPixelForValue(l.from), at);
        pen.lineTo(l.to === undefined ? area.right : scales.x.getPixelForValue(l.to), at);
      } else {
        pen.moveTo(at, area.top - (l.above ? 16 + 14 * l.row : 0));
        pen.lineTo(at, area.bottom);
      }
      pen.stroke();
      pen.fillStyle = t.soft;
      const width = pen.measureText(l.label || "").width;
      if (l.label && l.axis === "y")
        pen.fillText(
            l.label, l.from === undefined ? area.right - width - 4 : scales.x.getPixelForValue(l.from) + 4, at - 5);
      if (l.label && l.axis === "x")
        pen.fillText(
            l.label, at + 5 + width < area.right ? at + 5 : at - width - 5,
            l.above ? area.top - 6 - 14 * l.row : Math.min(area.top + (l.row || 0) * 14 + 11, area.bottom - 5));
    }
    pen.restore();
  },
  afterDatasetsDraw(chart, _, options) {
    const {ctx: pen, chartArea: area, scales} = chart, t = theme();
    pen.save();
    pen.font = "11px " + t.sans;
    pen.setLineDash([]);
    for (const c of options.counts || []) {
      pen.fillStyle = t.ink;
      const left = scales.x.getPixelForValue(c.x) > area.right - 40;
      pen.textAlign = left ? "right" : "left";
      pen.fillText(
          c.text, scales.x.getPixelForValue(c.x) + (left ? -1 : 1) * (c.radius + 5),
          scales.y.getPixelForValue(c.y) + 4);
      pen.textAlign = "left";
    }
    for (const b of options.brackets || []) {
      const half = (scales.x.getPixelForValue(1) - scales.x.getPixelForValue(0)) / 2;
      const left = scales.x.getPixelForValue(b.from) - half + 2, right = scales.x.getPixelForValue(b.to) + half - 2;
      const y = area.top - 8 - 15 * b.row;
      pen.strokeStyle = t.series[5];
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(left, y + 4);
      pen.lineTo(left, y);
      pen.lineTo(right, y);
      pen.lineTo(right, y + 4);
      pen.stroke();
      pen.fillStyle = t.soft;
      pen.fillText(b.label, left - pen.measureText(b.label).width - 6, y + 4);
    }
    pen.restore();
  },
};
Chart.register(marks);

function build(entry) {
  const t = theme();
  Chart.defaults.font.family = t.sans;
  Chart.defaults.font.size = 12;
  Chart.defaults.color = t.soft;
  Chart.defaults.borderColor = t.grid;
  if (entry.chart) entry.chart.destroy();
  const config = entry.make(t);
  config.options = Object.assign({responsive: true, maintainAspectRatio: false, animation: false}, config.options);
  entry.chart = new Chart(entry.canvas, config);
}

// A chart in its place; make(theme) gives the configuration, again whenever the colours change.
function plot(make, description, height = "") {
  const canvas = element("canvas", {role: "img", "aria-label": description});
  charts.push({canvas, make});
  return element("div", {class: "plot " + height}, canvas);
}

function hasInk(canvas) {
  if (!canvas.width || !canvas.height) return false;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 3; i < pixels.length; i += 4)
    if (pixels[i]) return true;
  return false;
}

// Draws everything that plot() and heatMap() placed. With #selftest in the address their pixels are looked at too.
function drawAll() {
  const root = document.documentElement.dataset;
  charts.forEach(build);
  heatMaps.forEach((h) => h.paint());
  root.chartsExpected = String(charts.length + heatMaps.length);
  const canvases = [...charts, ...heatMaps].map((c) => c.canvas);
  root.chartsDrawn = String(location.hash.includes("selftest") ? canvases.filter(hasInk).length : canvases.length);
}
function redraw() {
  charts.forEach(build);
  heatMaps.forEach((h) => h.paint());
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("print").addEventListener("change", redraw);

const percentTicks = {
  callback: (v) => v + " %"
};
const legend = (filter) => ({
  position: "bottom",
  align: "start",
  labels: {
    usePointStyle: true,
    boxWidth: 9,
    boxHeight: 7,
    padding: 16,
    filter: (item, data) => !data.datasets[item.datasetIndex].unnamed && (!filter || filter(item))
  },
});

// Lines with intervals. lines: {name, x, y, low, high, colour (of the theme's series), marker, dash, plain}; y in percent
// where `unit` is "%". options: ranges, levels, xTitle, yTitle, titleOf(x)
function lineChart(lines, options) {
  return (t) => {
    const datasets = [];
    for (const l of lines) {
      const colour = l.colour < 0 ? t.soft : t.series[l.colour % t.series.length];
      const points = (values) => l.x.map((x, i) => ({x, y: known(values[i]) ? values[i] : NaN}));
      if (l.low && l.low.some(known)) {
        const edge = {borderWidth: 0, pointRadius: 0, pointHitRadius: 0, unnamed: true, label: ""};
        datasets.push({...edge, data: points(l.low), fill: false});
        datasets.push({...edge, data: points(l.high), fill: "-1", backgroundColor: clear(colour, 0.16)});
      }
      datasets.push({
        label: l.name,
        tip: l.tip || l.name,
        data: points(l.y),
        low: l.low,
        high: l.high,
        unnamed: l.unnamed,
        borderColor: colour,
        backgroundColor: l.plain ? "transparent" : colour,
        borderWidth: l.plain ? 1.5 : 2,
        borderDash: l.plain ? FINE_DASHES[l.dash % FINE_DASHES.length] : DASHES[l.dash % DASHES.length],
        pointStyle: l.plain ? "line" : markerOf(l.marker),
        pointRadius: l.plain ? 0 : 3.5,
        pointHitRadius: 8,
        tension: 0,
        clip: 8,
      });
    }
    const xs = lines.flatMap((l) => l.x);
    const value = (v) => options.unit === "%" ? percent(v) : number(v);
    return {
      type: "line",
      data: {datasets},
      options: {
        interaction: {mode: "nearest", axis: "x", intersect: false},
        scales: {
          x: {
            type: "linear",
            title: {display: true, text: options.xTitle},
            ticks: options.whole ? {precision: 0} : {},
            grid: {display: false},
            min: Math.min(...xs),
            max: Math.max(...xs)
          },
          y: {
            title: {display: !!options.yTitle, text: options.yTitle},
            ticks: options.unit === "%" ? percentTicks : {},
            ...(options.yRange || {})
          },
        },
        plugins: {
          legend: legend(),
          marks: {ranges: options.ranges, levels: options.levels},
          tooltip: {
            filter: (item) => Boolean(item.dataset.tip),
            callbacks: {
              title: (items) => items.length ?
                  (options.titleOf ? options.titleOf(items[0].parsed.x) : String(items[0].parsed.x)) :
                  "",
              label: (item) => {
                const {low, high} = item.dataset, i = item.dataIndex;
                return item.dataset.tip + ": " + value(item.parsed.y) +
                    (low && known(low[i]) ? "  [" + value(low[i]) + ", " + value(high[i]) + "]" : "");
              },
            },
          },
        },
      },
    };
  };
}
