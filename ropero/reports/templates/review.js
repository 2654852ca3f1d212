// One image after the other; every decision is a line of the change list, and undo takes the last one back.
const reviewed = document.getElementById("picture");
if (reviewed) {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("review-data"), words = read("review-words"), at = (id) => document.getElementById(id);
  const percent = new Intl.NumberFormat(root.lang, { style: "percent", maximumFractionDigits: 1 });
  const say = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
  let log = [];
  try { log = JSON.parse(localStorage.getItem(data.key) ?? "[]").filter((one) => data.items[one.item]); } catch { log = []; }
  const keep = () => { try { localStorage.setItem(data.key, JSON.stringify(log)); } catch { /* decisions last as long as the page */ } };
  const decided = () => new Map(log.map((one) => [one.item, one]));
  const wanted = (one) => !at("which")?.value || (at("which").value === "twins") === Boolean(one.twin);
  const next = () => { const done = decided(); return data.items.findIndex((one, k) => !done.has(k) && wanted(one)); };
  const told = (one) => one.action === "relabel" ? "→ " + data.classes[one.label] : words[{ accept: "keep" }[one.action] ?? one.action];
  data.classes.forEach((name, k) => at("class").append(new Option(name, k)));

  const paint = (element, picture) => {
    const size = Math.max(1, Math.round(224 / data.side)) * data.side, place = picture % (data.columns * data.rows);
    element.className = `picture thumb sheet${Math.floor(picture / (data.columns * data.rows))}`;
    element.style.width = element.style.height = `${size}px`;
    element.style.backgroundSize = `${data.columns * size}px auto`;
    element.style.backgroundPosition = `-${(place % data.columns) * size}px -${Math.floor(place / data.columns) * size}px`;
  };
  const show = () => {
    const item = next(), done = decided(), shown = data.items[item];
    at("progress").textContent = say(words.done, { done: done.size, all: data.items.length });
    const last = log.at(-1);
    at("last").textContent = last ? `${say(words.row, { row: data.items[last.item].row })}: ${told(last)}` : words.nothing;
    const rows = [...log].reverse().map((one) => {
      const line = document.createElement("tr"), source = data.items[one.item];
      for (const text of [source.row, data.classes[source.label], told(one)]) line.insertCell().textContent = text;
      return line;
    });
    at("decided").replaceChildren(...rows);
    for (const button of document.querySelectorAll("[data-act=accept], [data-act=relabel], [data-act=drop], [data-act=skip]"))
      button.disabled = !shown;
    document.querySelector("[data-act=undo]").disabled = !log.length;
    document.querySelector(".doubt").hidden = false;
    reviewed.style.visibility = shown ? "visible" : "hidden";
    at("beside").hidden = !shown?.twin;
    at("likely").replaceChildren();
    if (!shown) { at("labelled").textContent = at("where").textContent = at("why").textContent = ""; return; }
    paint(reviewed, item);
    if (shown.twin) {
      paint(at("twin"), shown.twin.picture);
      at("twin").setAttribute("aria-label", data.classes[shown.twin.label]);
      at("twin-where").textContent = say(words.twin, { row: shown.twin.row, name: data.classes[shown.twin.label] });
    }
    reviewed.setAttribute("aria-label", data.classes[shown.label]);
    at("labelled").textContent = say(words.labelled, { name: data.classes[shown.label] });
    at("where").textContent = say(words.row, { row: shown.row });
    at("why").textContent = shown.why;
    at("class").value = shown.guess;
    for (const [k, share] of shown.likely) {
      const line = at("likely").insertRow(), bar = document.createElement("i");
      bar.style.width = `${Math.round(180 * share)}px`;
      line.insertCell().textContent = data.classes[k] + (k === shown.label ? " ●" : "");
      line.insertCell().textContent = percent.format(share);
      line.insertCell().append(bar);
    }
  };
  const decide = (action) => {
    const item = next();
    if (item < 0) return;
    const label = Number(at("class").value);
    log.push(action === "relabel" && label !== data.items[item].label ? { item, action, label }
      : { item, action: action === "relabel" ? "accept" : action });
    keep();
    show();
  };
  const lines = () => log.map((one) => {
    const item = data.items[one.item];
    const line = { part: data.part, row: item.row, was: data.names[item.label], action: one.action };
    if (one.action === "relabel") line.label = data.names[one.label];
    return JSON.stringify(line) + "\n";
  }).join("");
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines()], { type: "application/jsonl" }));
    link.download = "changes.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const acts = { accept: () => decide("accept"), relabel: () => decide("relabel"), drop: () => decide("drop"),
    skip: () => decide("skip"), undo: () => { log.pop(); keep(); show(); }, save,
    restart: () => { log = []; keep(); show(); } };
  document.addEventListener("click", (event) => acts[event.target.closest?.("[data-act]")?.dataset.act]?.());
  at("which")?.addEventListener("change", show);
  const keys = { a: "accept", r: "relabel", d: "drop", s: "skip", u: "undo" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("select, input")) return;
    acts[keys[event.key.toLowerCase()]]?.();
  });
  show();
}
