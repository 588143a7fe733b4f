// A combobox over the catalogue: type a few letters, choose by arrow keys, pointer or touch.
// It follows the pattern "editable combobox with list autocomplete" of the ARIA Authoring Practices Guide.

import { Problem, search } from "./api.js";
import { byId, element, nameOf } from "./dom.js";

const PAUSE = 120; // milliseconds without a key before the endpoint is asked

/** `isPicked(id)` says whether a game is in the history; `onPick(game)` takes the chosen one. */
export function startPicker(isPicked, onPick) {
  const input = byId("search");
  const list = byId("options");
  const note = byId("search-note");
  let games = [];
  let active = -1;
  let asked = new AbortController();
  let pause = 0;

  input.addEventListener("input", () => {
    clearTimeout(pause);
    asked.abort();
    if (input.value.trim()) pause = setTimeout(find, PAUSE);
    else close();
  });
  input.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (act && !event.altKey && !event.isComposing && act()) event.preventDefault();
  });
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the field
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) pick([...list.children].indexOf(option));
  });

  const KEYS = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => games.length > 0 && pick(active),
    Escape: () => (games.length > 0 ? close() : (input.value = ""), true),
  };

  async function find() {
    asked = new AbortController();
    try {
      open(await search(input.value.trim(), asked.signal));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      close();
      note.textContent = error.message;
    }
  }

  function open(found) {
    games = found;
    list.replaceChildren(...games.map(option));
    list.hidden = games.length === 0;
    input.setAttribute("aria-expanded", String(games.length > 0));
    note.textContent = games.length ? "" : "No game of that name is in this catalogue.";
    activate(games.length ? 0 : -1);
  }

  function option(game, index) {
    const picked = isPicked(game.item_id) ? [element("span", { class: "note" }, "in your list")] : [];
    const attributes = { role: "option", id: `option-${index}`, "aria-selected": "false" };
    return element("li", attributes, element("span", {}, nameOf(game)), ...picked);
  }

  function step(by) {
    if (games.length === 0) return false;
    activate((active + by + games.length) % games.length);
    return true;
  }

  function activate(index) {
    active = index;
    [...list.children].forEach((child, i) => child.setAttribute("aria-selected", String(i === index)));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `option-${index}`);
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  function pick(index) {
    const game = games[index];
    input.value = "";
    close();
    onPick(game);
    return true;
  }

  function close() {
    clearTimeout(pause);
    asked.abort();
    open([]);
    note.textContent = "";
  }
}
