// Every evaluated image: chosen by class, prediction and verdict, sorted by confidence. All data lie in the page.
const explorer = document.getElementById("explorer");
if (explorer) {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer;
  const truth = new Uint16Array(bytes(data.true)), guess = new Uint16Array(bytes(data.predicted));
  const sure = new Uint16Array(bytes(data.confidence)), verdict = new Uint8Array(bytes(data.verdict));
  const rows = new Uint32Array(bytes(data.row));
  const find = (name) => explorer.querySelector(`[data-role=${name}]`);
  const [truthBox, guessBox, whichBox, verdictBox, orderBox] = ["true", "predicted", "which", "verdict", "order"].map(find);
  const list = find("list"), more = find("more"), count = find("count");
  const percent = new Intl.NumberFormat(root.lang, { style: "percent", maximumFractionDigits: 1 });
  // Spanish sets a space between thousands, not the point that browsers put there.
  const counted = new Intl.NumberFormat(root.lang, { useGrouping: root.lang === "es" ? "min2" : true });
  const whole = (value) => root.lang === "es" ? counted.format(value).replace(/\./g, "\u00a0") : counted.format(value);
  const fill = (box, names) => names.forEach((name, k) => box.append(new Option(name, k)));
  fill(truthBox, data.classes);
  fill(guessBox, data.classes);
  if (verdictBox) fill(verdictBox, data.verdicts);
  // Whole pixels of the thumbnail on whole pixels of the page, where it is small.
  const perSheet = data.columns * data.rows, scale = Math.max(1, Math.round(72 / data.side));
  let found = [], shown = 0;

  const card = (at) => {
    const right = truth[at] === guess[at], place = at % perSheet, size = data.side * scale;
    const figure = document.createElement("figure");
    figure.className = right ? "card" : "card wrong";
    figure.dataset.class = truth[at];
    const picture = document.createElement("span");
    picture.className = `picture thumb sheet${Math.floor(at / perSheet)}`;
    picture.style.width = picture.style.height = `${size}px`;
    picture.style.backgroundSize = `${data.columns * size}px auto`;
    picture.style.backgroundPosition = `-${(place % data.columns) * size}px -${Math.floor(place / data.columns) * size}px`;
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", data.classes[truth[at]]);
    const caption = document.createElement("figcaption"), name = document.createElement("b");
    const notes = document.createElement("span");
    const both = { predicted: data.classes[guess[at]], true: data.classes[truth[at]] };
    const title = right ? both.true : explorer.dataset.title.replace(/\{(\w+)\}/g, (word, key) => both[key] ?? word);
    name.textContent = (right ? "✓ " : "✗ ") + title;
    notes.className = "quiet";
    const said = [percent.format(sure[at] / 10000)];
    if (verdictBox && verdict[at] < data.verdicts.length) said.push(data.verdicts[verdict[at]]);
    said.push(explorer.dataset.row.replace("{row}", whole(rows[at])));
    for (const one of said) {
      const part = document.createElement("span");
      part.textContent = one;
      notes.append(part, " ");
    }
    caption.append(name, notes);
    figure.append(picture, caption);
    return figure;
  };
  const grow = () => {
    const part = document.createDocumentFragment();
    for (const at of found.slice(shown, shown + 60)) part.append(card(at));
    list.append(part);
    shown = Math.min(found.length, shown + 60);
    more.hidden = shown >= found.length;
    count.textContent = explorer.dataset.count.replace("{n}", whole(found.length)).replace("{shown}", whole(shown));
  };
  const choose = () => {
    const wanted = (box) => (box && box.value !== "" ? Number(box.value) : -1);
    const [t, g, v] = [truthBox, guessBox, verdictBox].map(wanted);
    found = [];
    for (let at = 0; at < rows.length; at++) {
      if (t >= 0 && truth[at] !== t) continue;
      if (g >= 0 && guess[at] !== g) continue;
      if (v >= 0 && verdict[at] !== v) continue;
      if (whichBox.value && (whichBox.value === "right") !== (truth[at] === guess[at])) continue;
      found.push(at);
    }
    const sign = orderBox.value === "unsure" ? 1 : -1;
    if (orderBox.value !== "row") found.sort((a, b) => sign * (sure[a] - sure[b]) || rows[a] - rows[b]);
    list.replaceChildren();
    shown = 0;
    grow();
  };
  [truthBox, guessBox, whichBox, verdictBox, orderBox].forEach((box) => box && box.addEventListener("change", choose));
  more.addEventListener("click", grow);
  // A cell of the confusion matrix shows its images.
  for (const table of document.querySelectorAll("table.matrix")) {
    const open = (cell) => {
      truthBox.value = cell.parentElement.sectionRowIndex;
      guessBox.value = cell.cellIndex - 1;
      whichBox.value = "";
      if (verdictBox) verdictBox.value = "";
      choose();
      explorer.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    };
    table.addEventListener("click", (event) => {
      const cell = event.target.closest("tbody td");
      if (cell && cell.textContent) open(cell);
    });
    for (const cell of table.querySelectorAll("tbody td")) {
      if (!cell.textContent) continue;
      cell.tabIndex = 0;
      cell.setAttribute("role", "button");
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") open(cell); });
    }
  }
  choose();
}

// Pointing at a class lights it everywhere on the page.
const light = (which) => {
  for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
  if (which !== undefined) for (const one of document.querySelectorAll(`[data-class="${which}"]`)) one.classList.add("lit");
};
document.addEventListener("mouseover", (event) => light(event.target.closest?.("[data-class]")?.dataset.class));
document.addEventListener("focusin", (event) => light(event.target.closest?.("[data-class]")?.dataset.class));
