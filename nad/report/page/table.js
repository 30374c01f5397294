// Tables that can be searched, sorted and turned page by page: only the rows of a page exist.
// columns: {key, title, kind: "text" | "number", show(value, row), of(row): what is sorted by, wide}
function dataTable(rows, columns, options = {}) {
  const pageRows = options.pageRows || 25;
  let shown = rows, page = 0, sorted = options.sort || null, descending = options.descending || false;
  const head = element("tr"), body = element("tbody"), count = element("span", {"aria-live": "polite"});
  const table = element("table", {}, element("thead", {}, head), body);
  const back = element("button", {type: "button", onclick: () => turn(-1)}, "← Back");
  const forth = element("button", {type: "button", onclick: () => turn(1)}, "Forth →");
  const keyOf = (c, row) => c.of ? c.of(row) : row[c.key];

  const heads = columns.map((c) => {
    const cell = element(
        "th", {scope: "col", class: c.kind === "number" ? "n" : null, title: c.about || null},
        element(
            "button", {
              type: "button",
              onclick: () => {
                sort(c.key, sorted === c.key ? !descending : c.kind === "number");
              }
            },
            c.title));
    head.append(cell);
    return cell;
  });
  function turn(by) {
    page += by;
    paint();
  }
  function sort(key, down) {
    sorted = key;
    descending = down;
    page = 0;
    arrange();
  }
  let query = "";
  function search(text) {
    query = text.trim().toLowerCase();
    page = 0;
    arrange();
  }
  function arrange() {
    const terms = query.split(/\s+/).filter(Boolean);
    const texts = columns.filter((c) => c.kind === "text");
    shown = terms.length ? rows.filter((row) => {
      const text = texts.map((c) => String(keyOf(c, row) ?? "")).join(" ").toLowerCase() + " " + row.index;
      return terms.every((term) => text.includes(term));
    }) :
                           rows.slice();
    const by = columns.find((c) => c.key === sorted);
    if (by) {
      const sign = descending ? -1 : 1;
      shown.sort((a, b) => {
        const x = keyOf(by, a), y = keyOf(by, b);
        const absent = (v) => v === null || v === undefined || v === "" || Number.isNaN(v);
        if (absent(x) || absent(y)) return absent(x) - absent(y);  // last, whichever way
        return sign * (by.kind === "number" ? x - y : String(x).localeCompare(String(y), "en", {numeric: true}));
      });
    }
    paint();
  }
  function paint() {
    const pages = Math.max(1, Math.ceil(shown.length / pageRows));
    page = Math.max(0, Math.min(page, pages - 1));
    body.replaceChildren(...shown.slice(page * pageRows, (page + 1) * pageRows).map((row) => {
      const line = element("tr", {class: options.choose ? "pick" : null}, columns.map((c) => {
        const value = c.show ? c.show(keyOf(c, row), row) : keyOf(c, row);
        return element(
            "td",
            {class: c.kind === "number" ? "n" :
                 c.wide                 ? "name" :
                                          null},
            value instanceof Node ? value : printable(value ?? "–"));
      }));
      if (options.choose) line.addEventListener("click", () => options.choose(row));
      return line;
    }));
    heads.forEach((cell, i) => {
      const here = columns[i].key === sorted;
      here ? cell.setAttribute("aria-sort", descending ? "descending" : "ascending") :
             cell.removeAttribute("aria-sort");
    });
    count.textContent = shown.length === 0 ?
        "nothing found" :
        (pages > 1 ?
             number(page * pageRows + 1) + " to " + number(Math.min(shown.length, (page + 1) * pageRows)) + " of " :
             "") +
            plural(shown.length, "row");
    back.disabled = page === 0;
    forth.disabled = page === pages - 1;
    back.hidden = forth.hidden = pages === 1;
    if (options.watch) options.watch(shown.length, sorted, descending);
  }
  arrange();
  return {
    node: element(
        "div", {}, element("div", {class: "table"}, table), element("div", {class: "pager"}, back, count, forth)),
    search,
    sort
  };
}

// The table of findings, whatever its columns are.
function findingsTable(f) {
  const rows = f.table.length ?
      f.table[0].values.map((_, i) => Object.fromEntries(f.table.map((c) => [c.name, c.values[i]]))) :
      [];
  const columns = f.table.map((c) => {
    const text = c.values.some((v) => typeof v === "string");
    return {
      key: c.name,
      title: words(c.name),
      kind: text ? "text" : "number",
      wide: text,
      show: text ? null : (v) => number(v ?? NaN)
    };
  });
  return dataTable(rows, columns, {pageRows: 20}).node;
}
