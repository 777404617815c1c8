"use strict";
// Everything shown comes from the data block through textContent: no string ever becomes markup or code.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
// Hue and chroma of a label: appeals warm, lists of links violet, legal notes ochre, what moved to a column blue.
const HUES = {
  newsletter: [14, 80], donation: [344, 70], subscription: [32, 85], app_promo: [2, 70], event_promo: [325, 60],
  related: [268, 55], navigation: [242, 48], share: [292, 50], comments: [308, 45],
  disclaimer: [50, 75], copyright: [60, 55], consent: [78, 50], advert: [42, 75], contact: [96, 40],
  author_bio: [128, 35], other: [30, 12], caption: [186, 60], title: [210, 65], byline: [198, 60], published: [222, 60],
};

function make(tag, options, ...children) {
  const node = document.createElement(tag);
  const { text, hue, ...attributes } = options || {};
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  if (hue) paint(node, hue);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}
function paint(node, label) {
  const [hue, chroma] = Object.hasOwn(HUES, label) ? HUES[label] : HUES.other;
  node.style.setProperty("--h", hue);
  node.style.setProperty("--c", chroma + "%");
}
const number = (value) => value.toLocaleString("en-US");
const count = (value, one, many) => number(value) + " " + (value === 1 ? one : many);
function percent(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return share && share < 0.1 ? "< 0.1 %" : share.toFixed(share < 99.95 ? 1 : 0) + " %";
}
function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < 4) { bytes /= 1000; unit += 1; }
  return (unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[unit];
}
const words = (label) => label.replaceAll("_", " ");
const chip = (label, text) => make("span", { class: "chip", hue: label, text: text || words(label) });

// --- header -----------------------------------------------------------------------------------------------------
const removedBytes = data.labels.reduce((sum, label) => sum + label.bytes, 0);
const boilerplateBytes = data.labels.reduce((sum, label) => sum + (label.moved ? 0 : label.bytes), 0);
const movedBytes = removedBytes - boilerplateBytes;
const spans = (moved) => data.labels.reduce((sum, label) => sum + (label.moved === moved ? label.spans : 0), 0);
const documentBytes = data.text_bytes + removedBytes;
function header() {
  const rows = data.accounting;
  $("version").textContent = data.version ? "· built by news-corpus-pipeline " + data.version : "";
  $("headline").textContent = rows.documents
    ? count(rows.documents, "article", "articles") + ", " + percent(boilerplateBytes, documentBytes) + " of their text was boilerplate"
    : "No documents came out of this build";
  const parts = [
    [rows.records, rows.records === 1 ? " record = " : " records = "],
    [rows.documents, rows.documents === 1 ? " document + " : " documents + "],
    [rows.duplicates, rows.duplicates === 1 ? " duplicate + " : " duplicates + "], [rows.quarantine, " in quarantine"],
  ];
  for (const [value, after] of parts) $("account").append(make("b", { text: number(value) }), after);
}

// --- where records went -----------------------------------------------------------------------------------------
function band(x1, y1, h1, x2, y2, h2) {
  const middle = (x1 + x2) / 2;
  return `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2} L${x2},${y2 + h2} C${middle},${y2 + h2} ${middle},${y1 + h1} ${x1},${y1 + h1} Z`;
}
function flow(svg, x1, x2, top, height, whole, ends) {
  // Nothing that is there is drawn thinner than a hair, and the ends keep a gap that their names fit into.
  const shown = ends.filter((end) => end.value > 0);
  const least = 2;
  const spare = height - least * shown.length;
  let from = top, to = top;
  shown.forEach((end, index) => {
    const thick = least + (spare * end.value) / whole;
    if (index) to += 14;
    svg.append(draw("path", { class: "band " + end.kind, d: band(x1, from, thick, x2, to, thick) }));
    svg.append(draw("rect", { class: end.kind, x: x2, y: to, width: 7, height: thick, rx: 1 }));
    const middle = to + Math.max(thick / 2, 8);
    svg.append(draw("text", { class: "big", x: x2 + 17, y: middle }, figure(end)));
    svg.append(draw("text", { class: "soft", x: x2 + 17, y: middle + 18 }, end.text));
    from += thick;
    to += Math.max(thick, 40) + 10;
  });
  return to;
}
const figure = (end) => end.bytes ? size(end.value) : number(end.value);
function funnel() {
  const rows = data.accounting;
  const svg = draw("svg", { viewBox: "0 0 1130 250", role: "img", "aria-label": $("account").textContent });
  if (!rows.records) { $("funnel").append(make("p", { class: "empty", text: "No record came in." })); return; }
  svg.append(draw("rect", { class: "in", x: 0, y: 40, width: 7, height: 130, rx: 1 }));
  svg.append(draw("text", { class: "big", x: 0, y: 20 }, number(rows.records)));
  svg.append(draw("text", { class: "soft", x: 0, y: 35 }, (rows.records === 1 ? "record" : "records") + " in, " + size(data.input_bytes)));
  const share = (value) => percent(value, rows.records);
  let low = flow(svg, 7, 400, 40, 130, rows.records, [
    { kind: "documents", value: rows.documents, text: "documents, " + share(rows.documents) },
    { kind: "duplicates", value: rows.duplicates, text: "duplicates, " + share(rows.duplicates) },
    { kind: "quarantine", value: rows.quarantine, text: "in quarantine, " + share(rows.quarantine) },
  ]);
  if (documentBytes) {
    svg.append(draw("rect", { class: "documents", x: 600, y: 40, width: 7, height: 130, rx: 1 }));
    svg.append(draw("text", { class: "big", x: 600, y: 20 }, size(documentBytes)));
    svg.append(draw("text", { class: "soft", x: 600, y: 35 }, "text of the documents"));
    low = Math.max(low, flow(svg, 607, 880, 40, 130, documentBytes, [
      { kind: "documents", value: data.text_bytes, text: "clean text, " + percent(data.text_bytes, documentBytes), bytes: true },
      { kind: "removed", value: boilerplateBytes, text: count(spans(false), "span", "spans") + " removed, " + percent(boilerplateBytes, documentBytes), bytes: true },
      { kind: "moved", value: movedBytes, text: "moved to columns, " + percent(movedBytes, documentBytes), bytes: true },
    ]));
  }
  svg.setAttribute("viewBox", "0 0 1130 " + Math.max(185, Math.ceil(low + 5)));
  $("funnel").append(svg);
}

// --- bars -------------------------------------------------------------------------------------------------------
function bar(into, name, label, part, most, figure, chosen) {
  const fill = make("div", { class: "fill", hue: label });
  fill.style.width = (most ? (100 * part) / most : 0) + "%";
  const title = chosen ? make("button", { class: "name", type: "button", text: name, title: name }) : make("span", { class: "name", text: name, title: name, dir: "auto" });
  if (chosen) title.addEventListener("click", chosen);
  const figures = make("span", { class: "figure" }, make("b", { text: figure[0] }), "  " + figure[1]);
  into.append(make("div", { class: "bar" }, title, make("div", { class: "track" }, fill), figures));
}
function bars() {
  const labels = make("div", { class: "bars" });
  const sorted = [...data.labels].sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
  const most = sorted.length ? sorted[0].bytes : 0;
  for (const label of sorted) {
    const name = words(label.name) + (label.moved ? " → column" : "");
    bar(labels, name, label.name, label.bytes, most, [percent(label.bytes, documentBytes), count(label.spans, "span", "spans")], () => choose({ label: label.name }));
  }
  $("by-label").append(sorted.length ? labels : make("p", { class: "empty", text: "Nothing was removed." }));
  const sources = make("div", { class: "bars" });
  const shares = data.sources.map((source) => source.removed / Math.max(1, source.kept + source.removed));
  const top = Math.max(...shares, 0);
  const shown = new Set(data.documents.map((doc) => doc.source));
  data.sources.forEach((source, index) => {
    const name = source.name === null ? "(unknown source)" : source.name;
    const whole = source.kept + source.removed;
    const chosen = shown.has(source.name) ? () => choose({ source: source.name === null ? "\u0000" : source.name }) : null;
    const aside = [[source.duplicates, "duplicate", "duplicates"], [source.quarantine, "in quarantine", "in quarantine"]];
    const fates = [count(source.documents, "document", "documents"), ...aside.filter(([number]) => number).map((one) => count(...one))];
    bar(sources, name, "advert", shares[index], top, [percent(source.removed, whole), fates.join(", ")], chosen);
  });
  $("by-source").append(data.sources.length ? sources : make("p", { class: "empty", text: "No documents." }));
  if (data.other_sources) $("by-source").append(make("p", { class: "note", text: "and " + count(data.other_sources, "other source", "other sources") }));
}

// --- tables -----------------------------------------------------------------------------------------------------
function table(heads, rows) {
  const head = make("tr", {}, ...heads.map(([text, kind]) => make("th", { class: kind, text, scope: "col" })));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell, index) => cell instanceof Node ? make("td", { class: heads[index][1] }, cell) : make("td", { class: heads[index][1], text: cell, dir: "auto" }))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}
function frequent() {
  if (!data.lines.length) { $("frequent").append(make("p", { class: "empty", text: "No line was removed more than once." })); return; }
  const rows = data.lines.map((line) => {
    const search = make("button", { type: "button", text: line.text, dir: "auto", title: "Look for it in the documents" });
    search.addEventListener("click", () => choose({ query: line.text.slice(0, 80).replace(/\s+/g, " ") }));
    return [number(line.count), chip(line.label), search];
  });
  $("frequent").append(make("div", { class: "scroll", tabindex: "0" }, table([["times", "number"], ["label", "tight"], ["line", ""]], rows)));
}
function aside() {
  const into = $("reasons");
  if (!data.accounting.quarantine && !data.accounting.duplicates) {
    into.append(make("p", { class: "note", text: "Nothing: every record became a document." }));
    return;
  }
  for (const [kind, title] of [["quarantine", "In quarantine"], ["duplicates", "Duplicates"]]) {
    into.append(make("h3", { text: title + ": " + number(data.accounting[kind]) }));
    if (data[kind].length) into.append(table([["records", "number"], ["reason", "tight"], ["meaning", ""]], data[kind].map((reason) => [number(reason.count), reason.name, reason.about])));
    into.append(make("p", { class: "note" }));
  }
  if (!data.quarantined.length) return;
  into.append(make("h3", { text: "Some of the records in quarantine" }));
  const rows = data.quarantined.map((row) => [row.reason, row.id || "", (row.place || "") + (row.index === null ? "" : " #" + row.index), row.detail || ""]);
  into.append(make("div", { class: "scroll", tabindex: "0" }, table([["reason", "tight"], ["id", ""], ["place", ""], ["detail", ""]], rows)));
}

// --- documents --------------------------------------------------------------------------------------------------
const state = { query: "", label: "", source: "", flag: "", order: "loss", shown: null };
let current = [];
for (const doc of data.documents) {
  const cuts = (doc.pieces || []).filter(Array.isArray);
  doc.labels = new Set(cuts.map((cut) => cut[1]));
  doc.loss = doc.bytes ? doc.removed / doc.bytes : 0;
  const texts = (doc.pieces || []).map((piece) => Array.isArray(piece) ? piece[0] + " " + piece[2].join(" ") : typeof piece === "string" ? piece : "");
  doc.haystack = [doc.id, doc.title, doc.source, doc.url, ...texts].join("\n").toLowerCase().replace(/\s+/g, " ");
}
function options(select, all, entries) {
  select.append(make("option", { value: "", text: all }));
  for (const [value, text] of entries) select.append(make("option", { value, text }));
}
function filters() {
  const counted = (keys) => {
    const found = new Map();
    for (const doc of data.documents) for (const key of keys(doc)) found.set(key, (found.get(key) || 0) + 1);
    return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  };
  options($("label"), "All labels", counted((doc) => doc.labels).map(([name, n]) => [name, words(name) + " (" + n + ")"]));
  options($("source"), "All sources", counted((doc) => [doc.source === null ? "\u0000" : doc.source]).map(([name, n]) => [name, (name === "\u0000" ? "(unknown)" : name) + " (" + n + ")"]));
  options($("flag"), "All flags", counted((doc) => doc.flags).map(([name, n]) => [name, name + " (" + n + ")"]));
  for (const name of ["query", "label", "source", "flag", "order"]) $(name).addEventListener("input", () => { state[name] = $(name).value; list(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  const all = data.accounting.documents, some = data.documents.length;
  $("sampled").textContent = (some < all ? number(some) + " of " + number(all) + " documents: the flagged, those that lost most, some for each label, and some others chosen by a hash of their id." : "All documents of the corpus.") + " Point at what is coloured to see why it went.";
}
function choose(wanted) {
  Object.assign(state, { query: "", label: "", source: "", flag: "" }, wanted);
  for (const name of ["query", "label", "source", "flag"]) $(name).value = state[name];
  list();
  $("browser").scrollIntoView();
}
function matches(doc) {
  if (state.label && !doc.labels.has(state.label)) return false;
  if (state.source && (doc.source === null ? "\u0000" : doc.source) !== state.source) return false;
  if (state.flag && !doc.flags.includes(state.flag)) return false;
  return doc.haystack.includes(state.query.trim().toLowerCase().replace(/\s+/g, " "));
}
const ORDERS = {
  loss: (a, b) => b.flags.length - a.flags.length || b.loss - a.loss,
  least: (a, b) => a.loss - b.loss,
  id: () => 0,
};
function list() {
  const byId = (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  current = data.documents.filter(matches).sort((a, b) => ORDERS[state.order](a, b) || byId(a, b));
  $("found").textContent = count(current.length, "document", "documents");
  $("list").replaceChildren(...current.map((doc, index) => {
    const mini = make("div");
    mini.style.width = 100 * doc.loss + "%";
    const facts = make("div", { class: "facts" }, make("div", { class: "mini" }, mini), make("span", { text: percent(doc.removed, doc.bytes) }), doc.source === null ? null : make("span", { text: doc.source }), ...doc.flags.map((flag) => make("span", { class: "chip flag", text: flag })));
    const entry = make("div", { class: "entry", role: "option", id: "entry-" + index }, make("div", { class: "name", text: doc.title || firstWords(doc), dir: "auto" }), facts);
    entry.addEventListener("click", () => show(index));
    return entry;
  }));
  const kept = current.indexOf(state.shown);
  show(kept < 0 ? 0 : kept);
}
function firstWords(doc) {
  const piece = (doc.pieces || []).find((part) => typeof part === "string" && part.trim());
  return piece ? piece.trim().slice(0, 90) : doc.id;
}
function show(index) {
  const doc = current[index];
  state.shown = doc || null;
  for (const entry of $("list").querySelectorAll('[aria-selected="true"]')) entry.setAttribute("aria-selected", "false");
  if (!doc) { $("document").replaceChildren(make("p", { class: "empty", text: "No document of the sample matches." })); return; }
  $("list").setAttribute("aria-activedescendant", "entry-" + index);
  const pane = $("list"), entry = pane.children[index];
  entry.setAttribute("aria-selected", "true");
  // Only the list may scroll, never the page: the reader may be at its top.
  if (entry.offsetTop < pane.scrollTop) pane.scrollTop = entry.offsetTop;
  const below = entry.offsetTop + entry.offsetHeight - pane.clientHeight;
  if (below > pane.scrollTop) pane.scrollTop = below;
  const facts = [doc.id, doc.source, doc.language, count(doc.words || 0, "word", "words"), percent(doc.removed, doc.bytes) + " of " + size(doc.bytes) + " removed"];
  const line = make("p", { class: "facts", text: facts.filter((fact) => fact).join(" · ") });
  if (doc.url) line.append(make("br"), link(doc.url));
  const about = doc.flags.map((flag) => make("p", { class: "facts" }, make("span", { class: "chip flag", text: flag }), " " + (Object.hasOwn(data.flags, flag) ? data.flags[flag].about : "")));
  const text = make("div", { class: "text", dir: "auto" });
  if (doc.pieces === null) text.append(make("span", { class: "gap", text: "This text is too long to be shown here; pipeline why shows it." }));
  let last = "";
  for (const piece of doc.pieces || []) {
    if (typeof piece === "number") text.append(make("span", { class: "gap", text: number(piece) + " characters are not shown here" }));
    else if (typeof piece === "string") { text.append(piece); if (piece.trim()) last = ""; }
    else { text.append(...cut(piece, piece[1] !== last)); last = piece[1]; }
  }
  $("document").replaceChildren(make("h3", { text: doc.title || firstWords(doc), dir: "auto" }), line, ...about, legend(doc, text), text, wrongCut(doc, text));
  $("document").scrollTop = 0;
}
function link(url) {
  if (!/^https?:\/\//i.test(url)) return url;
  return make("a", { href: url, text: url, rel: "noreferrer noopener nofollow", target: "_blank" });
}
function cut([text, label, evidence, score, start], tagged) {
  // Line breaks around the words belong to the cut, but colour on them would only look like a stain.
  const words_of = text.trim();
  const from = text.indexOf(words_of);
  const mark = make("mark", { class: tagged ? "cut tagged" : "cut", hue: label, tabindex: "0", "data-label": words(label), text: words_of || "␣" });
  mark.tip = [label, evidence, score];
  mark.start = start;
  return [blank(text.slice(0, from)), mark, blank(text.slice(from + words_of.length))];
}
// A click on a cut shows the command that makes it a regression case; ids that cannot be typed have none.
function wrongCut(doc, text) {
  const box = make("p", { class: "facts case", hidden: "" });
  const offer = (event) => {
    const mark = event.target instanceof Element ? event.target.closest(".cut") : null;
    if (!mark || (event.type === "keydown" && event.key !== "Enter") || /[\x00-\x1f\x7f-\x9f]/.test(doc.id)) return;
    const folder = location.protocol === "file:" ? decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") : "CORPUS";
    const command = "pipeline why --case cases.tsv --keep " + mark.start + " -- " + quoted(folder) + " " + quoted(doc.id);
    box.replaceChildren("A wrong cut? This makes it a regression case: ", make("code", { text: command }));
    box.hidden = false;
  };
  for (const name of ["click", "keydown"]) text.addEventListener(name, offer);
  return box;
}
const quoted = (word) => (/^[\w.,:=@%+/][\w.,:=@%+/-]*$/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'");
const blank = (text) => make("span", { class: "blank", text });
function legend(doc, text) {
  const box = make("input", { type: "checkbox" });
  box.addEventListener("change", () => text.classList.toggle("clean", box.checked));
  const chips = [...doc.labels].sort().map((label) => {
    const one = chip(label);
    one.addEventListener("mouseenter", () => { for (const mark of text.querySelectorAll(".cut")) mark.classList.toggle("dim", mark.tip[0] !== label); });
    one.addEventListener("mouseleave", () => { for (const mark of text.querySelectorAll(".cut")) mark.classList.remove("dim"); });
    return one;
  });
  if (!chips.length) chips.push(make("span", { class: "figure", text: "nothing was removed" }));
  return make("div", { class: "legend" }, ...chips, make("label", {}, box, " clean text only"));
}
function keys() {
  $("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(Math.min(Math.max(current.indexOf(state.shown) + step, 0), current.length - 1));
  });
}
function tips() {
  const tip = $("tip");
  const hide = () => { tip.hidden = true; };
  const reveal = (event) => {
    const mark = event.target instanceof Element ? event.target.closest(".cut") : null;
    if (!mark || !mark.tip) { hide(); return; }
    const [label, evidence, score] = mark.tip;
    tip.replaceChildren(make("b", { text: words(label) + " · score " + score.toFixed(2) }), ...evidence.flatMap((word, index) => index ? [make("br"), word] : [word]));
    tip.hidden = false;
    const box = mark.getClientRects()[0] || mark.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = left + "px";
    tip.style.top = (above < 4 ? box.bottom + 8 : above) + "px";
  };
  for (const name of ["mouseover", "focusin"]) $("document").addEventListener(name, reveal);
  for (const name of ["mouseleave", "focusout", "scroll"]) $("document").addEventListener(name, hide);
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}

header(); funnel(); bars(); frequent(); aside(); filters(); keys(); tips(); list();
