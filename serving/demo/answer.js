// What each model says, side by side, and what has changed since the last answer.

import { byId, element, glide, nameOf, tops } from "./dom.js";

const MODELS = {
  sasrec: ["SASRec", "sees every game, in order"],
  gru4rec: ["GRU4Rec", "sees every game, in order"],
  bert4rec: ["BERT4Rec", "sees every game, in order"],
  markov: ["Markov chain", "sees the last game only"],
  popularity: ["Popularity", "sees no game of yours"],
};
const NOTHING_PLAYED = "what most people play";
export const NOTHING_PASSES = "No game that you have not played passes these filters.";
const place = byId("columns");
let shown = new Map(); // column name -> item ids, best first

export const modelName = (architecture) => MODELS[architecture]?.[0] ?? architecture;

/**
 * Show an answer; `marked` says whether changes against the one before it tell anything. After no game at all
 * every model says what most people play: then once is enough.
 */
export function showAnswer(answer, marked) {
  const before = tops(rowsShown());
  const last = answer.history.at(-1)?.item_id;
  const telling = answer.columns.filter((column) => last || column.role === "champion");
  const sections = telling.map((column) => section(column, last, marked ? shown.get(column.name) : null));
  place.style.setProperty("--rows", Math.max(1, ...answer.columns.map((column) => column.items.length)));
  place.replaceChildren(...sections);
  shown = new Map(answer.columns.map((column) => [column.name, column.items.map((item) => item.item_id)]));
  if (before.size) glide(rowsShown(), before);
}

const rowsShown = () => [...place.querySelectorAll("li")];

function section(column, last, earlier) {
  const [name, sees] = MODELS[column.name] ?? [column.name, "says"];
  const changes = column.items.map((item, index) => change(item.item_id, index, earlier));
  const champion = column.role === "champion";
  const reasons = column.items.some((item) => item.because); // none after no game at all
  const rows = column.items.map((item, index) => row(column, item, last, changes[index], reasons));
  return element(
    "section",
    { class: reasons ? `${column.role} reasons` : column.role, "aria-label": champion ? "Play next" : name },
    champion ? element("h2", {}, "Play next") : element("h3", {}, name),
    element("p", { class: "note" }, !last ? NOTHING_PLAYED : champion ? `${name} ${sees}` : sees),
    element("p", { class: "note changes" }, earlier ? summary(changes) : ""),
    element("ol", { role: "list" }, ...(rows.length ? rows : [element("li", { class: "nothing note" }, NOTHING_PASSES)])),
  );
}

function row(column, item, last, changed, reasons) {
  const reason = reasons ? because(item, last) : "";
  return element(
    "li",
    { "data-key": `${column.name} ${item.item_id}` },
    element("span", { class: "place", "aria-hidden": "true" }, item.rank),
    element("span", { class: "title" }, nameOf(item), ...(changed ? [" ", mark(changed)] : [])),
    ...(reason ? [element("span", { class: "because" }, reason)] : []),
  );
}

/** Why an item is here; in full for the first one alone, as the others read the same way. */
function because(item, last) {
  if (!item.because) return "because of no single game"; // without any one of them it would be as likely
  if (item.rank > 1) return `because of ${nameOf(item.because)}`;
  return `because you played ${nameOf(item.because)}${item.because.item_id === last ? " last" : ""}`;
}

/** How many places an item has risen since the earlier answer; "new" where it was not in it, 0 where it stayed. */
function change(itemId, index, earlier) {
  if (!earlier) return 0;
  const was = earlier.indexOf(itemId);
  return was < 0 ? "new" : was - index;
}

function mark(changed) {
  if (changed === "new") return element("span", { class: "mark new" }, "new");
  const [sign, word] = changed > 0 ? ["↑", "up"] : ["↓", "down"];
  const by = Math.abs(changed);
  return element(
    "span",
    { class: "mark" },
    element("span", { "aria-hidden": "true" }, `${sign} ${by}`),
    element("span", { class: "unseen" }, `${word} ${by}`),
  );
}

function summary(changes) {
  const fresh = changes.filter((changed) => changed === "new").length;
  const moved = changes.filter((changed) => changed && changed !== "new").length;
  const parts = [...(moved ? [`${moved} moved`] : []), ...(fresh ? [`${fresh} new`] : [])];
  return parts.join(", ") || "no change";
}
