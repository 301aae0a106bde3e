// Tables with class `sortable`: each column name becomes a button that sorts by it.
"use strict";
(() => {
  // What stands first in a cell: a number where it is one, else text; a dash or nothing comes last.
  const value = (row, column) => {
    const cell = row.cells[column];
    const first = cell.querySelector("strong") || cell;
    const text = (first.firstChild ? first.firstChild.textContent : "").trim();
    const plain = text.replace(/[\u202f\u00a0,]/g, "").replace("\u2212", "-");
    if (text === "" || text === "–") return null;
    return /^-?[\d.]+( ?(%|fs))?$/.test(plain) ? parseFloat(plain) : text.toLowerCase();
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return typeof a === "string" ? a.localeCompare(b) : a - b;
    return typeof a === "number" ? -1 : 1;
  };
  const sort = (table, column, up) => {
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return up ? compare(a, b) : compare(b, a);
    });
    body.append(...keyed.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      if (Array.from(table.tBodies[0].rows).every((row) => value(row, column) === null)) return; // drawings
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        sort(table, column, up);
      });
    });
  }
})();
