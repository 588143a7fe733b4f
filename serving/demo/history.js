// The games that were played, oldest first: moved by drag, by buttons and by Alt with the arrow keys.

import { byId, element, glide, nameOf, tops } from "./dom.js";
import { startDrag } from "./drag.js";

const list = byId("history");

/** `onMove(from, to)` and `onRemove(index)` are told places from 0. */
export function startHistory(onMove, onRemove) {
  const placeOf = (target) => [...list.children].indexOf(target.closest("li"));

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const place = placeOf(button);
    if (button.dataset.act === "remove") onRemove(place);
    else move(place, button.dataset.act === "up" ? -1 : 1);
  });
  list.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!event.altKey || !by) return;
    event.preventDefault();
    move(placeOf(event.target), by);
  });
  startDrag(list, onMove);

  function move(from, by) {
    const to = from + by;
    if (to >= 0 && to < list.children.length) onMove(from, to);
  }
}

/** Show the games. Rows that stay keep their elements, and so the focus of who works on them. */
export function showHistory(games) {
  const before = tops([...list.children]);
  const focused = document.activeElement;
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const seen = new Map();
  const rows = games.map((game, place) => {
    const times = (seen.get(game.item_id) ?? 0) + 1;
    seen.set(game.item_id, times);
    const key = `${game.item_id} ${times}`;
    const row = old.get(key) ?? newRow(key, game);
    describe(row, place, games.length);
    return row;
  });
  byId("history-empty").hidden = games.length > 0;
  byId("copy").hidden = byId("clear").hidden = games.length === 0;
  if (rows.every((row, place) => row === list.children[place]) && rows.length === list.children.length) return;
  list.replaceChildren(...rows);
  if (list.contains(focused)) focused.focus();
  glide(rows, before);
}

/** Put the focus where work goes on after a game was removed from this place. */
export function focusAfterRemoval(place) {
  const row = list.children[Math.min(place, list.children.length - 1)];
  (row?.querySelector("[data-act=remove]") ?? byId("search")).focus();
}

function newRow(key, game) {
  const button = (act, sign, label) =>
    element("button", { type: "button", "data-act": act, "aria-label": label }, sign);
  return element(
    "li",
    { "data-key": key },
    element("span", { class: "place", "aria-hidden": "true" }),
    element("span", { class: "title" }, nameOf(game)),
    element(
      "span",
      { class: "tools" },
      button("up", "↑", `Move ${nameOf(game)} up`),
      button("down", "↓", `Move ${nameOf(game)} down`),
      button("remove", "×", `Remove ${nameOf(game)}`),
    ),
  );
}

function describe(row, place, length) {
  row.querySelector(".place").textContent = place + 1;
  row.querySelector("[data-act=up]").setAttribute("aria-disabled", String(place === 0));
  row.querySelector("[data-act=down]").setAttribute("aria-disabled", String(place === length - 1));
}
