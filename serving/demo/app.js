// The page: a history of games, kept in the link, and what the models say after it.

import { Problem, choices, compare, examples, useKey } from "./api.js";
import { NOTHING_PASSES, modelName, showAnswer } from "./answer.js";
import { byId, element, nameOf } from "./dom.js";
import { chosen, showFilters, startFilters } from "./filters.js";
import { focusAfterRemoval, showHistory, startHistory } from "./history.js";
import { keepInLink, linkTo, readLink } from "./link.js";
import { startPicker } from "./picker.js";

const ROWS = 8;
const MOST_GAMES = 100; // of a history; the newest count
const SLOW = 400; // milliseconds before waiting is shown

let games = []; // {item_id, title}, oldest first
let asked = new AbortController();
let starts = []; // example histories
let start = 0;
let offered = ""; // the version whose choices are shown

startPicker((id) => games.some((game) => game.item_id === id), pick);
startHistory(move, remove);
startFilters(() => answer(ids(), false, ""));
byId("copy").addEventListener("click", copyLink);
byId("example").addEventListener("click", anotherExample);
byId("clear").addEventListener("click", () => change([], "The list is empty."));
addEventListener("popstate", open);
addEventListener("online", open);
open();

/** Begin with the games of the link, or with an example where nothing is kept there yet. */
async function open() {
  const linked = readLink();
  if (linked) return answer(linked.slice(-MOST_GAMES), false, "");
  const example = await attempt(() => exampleAt(start), open);
  if (example) {
    games = example;
    showHistory(games);
    keepInLink(ids(), true);
    answer(ids(), false, "");
  }
}

async function anotherExample() {
  const example = await attempt(() => exampleAt(start + 1), anotherExample);
  if (example) {
    games = []; // what changes against other games tells nothing
    change(example, "Another example.");
  }
}

/** An example history, unless something newer is asked while it is on its way. */
async function exampleAt(wanted) {
  const { signal } = asked;
  if (!starts.length) starts = await examples(signal);
  signal.throwIfAborted();
  start = starts.length ? wanted % starts.length : 0;
  return starts[start] ?? [];
}

function pick(game) {
  const others = games.filter((other) => other.item_id !== game.item_id);
  change([...others, game].slice(-MOST_GAMES), `${nameOf(game)} added as the last game.`);
}

function move(from, to) {
  const moved = games.toSpliced(from, 1).toSpliced(to, 0, games[from]);
  change(moved, `${nameOf(games[from])} is now number ${to + 1} of ${games.length}.`);
}

function remove(place) {
  change(games.toSpliced(place, 1), `${nameOf(games[place])} removed.`);
  focusAfterRemoval(place);
}

/** Take over a changed history: list, link, answer. */
function change(changed, said) {
  const comparable = games.length > 0 && changed.length > 0;
  games = changed;
  showHistory(games);
  keepInLink(ids());
  answer(ids(), comparable, said);
}

const ids = () => games.map((game) => game.item_id);

/** Ask for these games and show what comes back, unless something newer has been asked meanwhile. */
async function answer(history, marked, said) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const again = () => answer(history, marked, said);
  const found = await attempt(() => compare(history, ROWS, chosen(), signal), again);
  if (!found || signal.aborted) return;
  games = found.history;
  showHistory(games);
  showAnswer(found, marked);
  tellUnknown(found.unknown_ids);
  byId("model").textContent = `Answered by ${modelName(found.model.architecture)}, version ${found.model.version}.`;
  announce(said, found.columns[0].items);
  offerChoices(found.model.version);
}

/** Show what this version can be asked for. The answer is there already, so a failure here takes nothing away. */
async function offerChoices(version) {
  if (version === offered) return;
  try {
    const { fields, reports } = await choices();
    showFilters(fields);
    byId("reports").hidden = !reports;
    offered = version;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/** What `act` gives, which needs the endpoint; undefined where that failed, shown with a way to try `again`. */
async function attempt(act, again) {
  const columns = byId("columns");
  const slow = setTimeout(() => columns.setAttribute("aria-busy", "true"), SLOW);
  try {
    const found = await act();
    byId("problem").replaceChildren();
    return found;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (!(error instanceof Problem)) throw error;
    showProblem(error, again);
    return undefined;
  } finally {
    clearTimeout(slow);
    columns.removeAttribute("aria-busy");
  }
}

function showProblem(problem, again) {
  const older = byId("columns").children.length ? " The answer below is the one before." : "";
  const key = element("input", { type: "password", "aria-label": "API key", placeholder: "API key" });
  const form = element("form", {}, ...(problem.needsKey ? [key] : []), element("button", {}, "Try again"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (problem.needsKey) useKey(key.value);
    again();
  });
  byId("problem").replaceChildren(element("p", {}, problem.message + older), form);
}

function tellUnknown(unknown) {
  const one = unknown.length === 1;
  byId("link-note").textContent = unknown.length
    ? `Left out, as this catalogue does not have ${one ? "it" : "them"}: ${unknown.join(", ")}.`
    : "";
}

function announce(said, items) {
  const titles = items.slice(0, 3).map(nameOf).join(", then ");
  byId("announcer").textContent = `${said} ${titles ? `Play next: ${titles}.` : NOTHING_PASSES}`.trim();
}

async function copyLink() {
  const button = byId("copy");
  try {
    await navigator.clipboard.writeText(linkTo(ids()));
    button.textContent = "Copied";
  } catch {
    keepInLink(ids()); // no clipboard here: the address bar then has it
    button.textContent = "It is in the address bar";
  }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}
