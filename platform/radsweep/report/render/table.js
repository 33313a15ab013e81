"use strict";
// Sorts and filters the table of arms. The page is complete without it.
for (const table of document.querySelectorAll("table[data-table]")) {
  const bodies = [...table.tBodies], columns = [...table.tHead.rows[0].cells];
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => act(made));
    return made;
  };
  const value = (body, column) => {
    const text = body.rows[0].cells[column].dataset.value;
    return text === undefined ? NaN : Number(text);
  };
  const sort = (column, direction) => {
    const place = body => (body.dataset.first === undefined ? 1 : 0);
    const order = (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      return Number.isNaN(x) - Number.isNaN(y) || direction * (x - y) || bodies.indexOf(a) - bodies.indexOf(b);
    };
    const sorted = direction ? [...bodies].sort((a, b) => place(a) - place(b) || order(a, b)) : bodies;
    table.append(...sorted);
    for (const other of columns) other.removeAttribute("aria-sort");
    if (direction) columns[column].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  };
  columns.forEach((head, column) => {
    if (head.dataset.sort === undefined) return;
    const next = { null: -1, descending: 1, ascending: 0 };
    const sorting = button("", () => sort(column, next[head.getAttribute("aria-sort")]));
    sorting.append(...head.childNodes);
    sorting.className = "sort";
    head.append(sorting);
  });
  if (bodies.length < 5) continue;
  const bar = document.createElement("div"), words = document.createElement("input"), chosen = new Set();
  const filter = () => {
    for (const body of bodies) {
      const verdicts = body.dataset.verdicts.split(" ");
      const named = body.rows[0].cells[0].textContent.toLowerCase().includes(words.value.trim().toLowerCase());
      const judged = !chosen.size || verdicts.some(verdict => chosen.has(verdict));
      body.hidden = body.dataset.first === undefined && !(named && judged);
    }
  };
  bar.className = "filter";
  words.type = "search";
  words.placeholder = "Filter by arm or key";
  words.setAttribute("aria-label", words.placeholder);
  words.addEventListener("input", filter);
  bar.append(words);
  const present = new Set(bodies.flatMap(body => body.dataset.verdicts.split(" ").filter(Boolean)));
  for (const verdict of present) {
    const chip = button(verdict.replaceAll("-", " "), made => {
      if (!chosen.delete(verdict)) chosen.add(verdict);
      made.setAttribute("aria-pressed", String(chosen.has(verdict)));
      filter();
    });
    chip.className = `chip ${verdict}`;
    chip.setAttribute("aria-pressed", "false");
    bar.append(chip);
  }
  table.parentElement.before(bar);
}
