"use strict";
// Theme: the button swaps it; #dark and #light at the end of the address choose it.
const root = document.documentElement;
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const follow = () => { if (/^#(dark|light)$/.test(location.hash)) root.dataset.theme = location.hash.slice(1); };
addEventListener("hashchange", follow);
follow();
document.getElementById("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

// Chromium keeps boxes for what it shaped before an embedded font was there. Another spacing of letters, too little to be
// seen, makes it shape them anew; two frames later, or it would find the font missing once more.
if (root.lang.startsWith("zh")) Promise.all([...document.fonts].map((one) => one.load()))
  .then(() => requestAnimationFrame(() => requestAnimationFrame(() => { root.style.letterSpacing = "0.001px"; })));

// Confusion matrix: pointing at a cell marks its row and column and says in words what it counts.
for (const table of document.querySelectorAll("table.matrix")) {
  const say = document.getElementById(table.dataset.say);
  const share = new Intl.NumberFormat(root.lang, { style: "percent", maximumFractionDigits: 1 });
  const clear = () => table.querySelectorAll(".on, .here").forEach((one) => one.classList.remove("on", "here"));
  const point = (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    clear();
    const row = cell.parentElement, column = cell.cellIndex;
    for (const line of table.rows) line.cells[column].classList.add("on");
    for (const other of row.cells) other.classList.add("on");
    cell.classList.add("here");
    const total = Number(row.dataset.total), count = Number((cell.textContent || "0").replace(/\D/g, ""));
    const words = { count: cell.textContent || "0", share: share.format(total ? count / total : 0),
      true: row.cells[0].firstChild.title, predicted: table.rows[0].cells[column].firstChild.title };
    say.textContent = say.dataset.words.replace(/\{(\w+)\}/g, (whole, name) => words[name] ?? whole).trim();
  };
  table.addEventListener("mouseover", point);
  table.addEventListener("click", point);
  table.addEventListener("mouseleave", clear);
}
