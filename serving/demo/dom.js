// Small helpers for the page's elements. Text always becomes a text node: nothing is parsed as HTML.

/** An element with attributes (`true` sets one without a value, `false` leaves it out) and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

/** What people call a game; its id where the catalogue has no title. */
export const nameOf = (game) => game.title || game.item_id;

/** Where each row stands on the screen: key -> top. */
export function tops(rows) {
  return new Map(rows.map((row) => [row.dataset.key, row.getBoundingClientRect().top]));
}

/** Let rows go from where they stood to where they stand; new ones fade in. Not for those who want no motion. */
export function glide(rows, before) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const timing = { duration: 240, easing: "ease-out" };
  for (const row of rows) {
    const was = before.get(row.dataset.key);
    const moved = was === undefined ? 0 : was - row.getBoundingClientRect().top;
    if (was === undefined) row.animate({ opacity: [0, 1] }, timing);
    else if (moved) row.animate({ transform: [`translateY(${moved}px)`, "none"] }, timing);
  }
}
