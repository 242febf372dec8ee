// The tables of the page as files, CSV for a spreadsheet and JSON for a program; lists that sort; commands that copy.
function tableText(table, kind) {
  if (kind === "json") {
    const named = (row) => Object.fromEntries(table.columns.map((column, place) => [column, row[place]]));
    return JSON.stringify(table.rows.map(named), null, 2) + "\n";
  }
  return [table.columns, ...table.rows].map((row) => row.map(csvField).join(",")).join("\r\n") + "\r\n";
}

// A text that begins like a formula would be run by a spreadsheet: an apostrophe in front keeps it text.
function csvField(value) {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function saveText(name, kind, text) {
  const address = URL.createObjectURL(new Blob([text], { type: kind === "json" ? "application/json" : "text/csv" }));
  element("a", { href: address, download: `${document.body.dataset.run}_${name}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function saveButtons(name, table) {
  const button = (kind) => element("button", {
    type: "button", "aria-label": `Save ${name} as ${kind.toUpperCase()}`, onclick: () => saveText(name, kind, tableText(table, kind)),
  }, kind.toUpperCase());
  return element("p", { class: "saves" }, button("csv"), button("json"));
}

// A number as it is shown ("+12.3", "4/6", "83.3%") sorts as that number, anything else as text.
function sortKey(row, place) {
  const text = row.children[place].textContent.trim(), number = parseFloat(text);
  return Number.isNaN(number) || !/^[+\-\d.]/.test(text) ? text.toLowerCase() : number;
}

function sortRows(table, place, downwards) {
  const body = table.tBodies[0], direction = downwards ? -1 : 1;
  const keyed = [...body.rows].map((row) => [sortKey(row, place), row]);
  keyed.sort(([a], [b]) => direction * (a < b ? -1 : a > b ? 1 : 0));
  body.append(...keyed.map(([, row]) => row));
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = element("button", { type: "button", class: "sort" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const downwards = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", downwards ? "descending" : "ascending");
      sortRows(table, place, downwards);
    });
  });
}

function startTables() {
  const tables = JSON.parse(document.getElementById("tables-data").textContent);
  for (const place of document.querySelectorAll("[data-table]")) {
    const table = tables[place.dataset.table];
    if (table) (place.closest(".scroll") || place.lastElementChild).after(saveButtons(place.dataset.table, table));
  }
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  for (const block of document.querySelectorAll("pre.command")) block.after(copyButton("the command", block.textContent.trim()));
}

startTables();
