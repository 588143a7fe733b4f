// Rows of a list that are moved with the pointer. A finger drags by the row's number, so that it can scroll elsewhere.

const THRESHOLD = 4; // pixels before a press becomes a drag

/** `onMove(from, to)` is called once the row is let go in another place. */
export function startDrag(list, onMove) {
  list.addEventListener("pointerdown", (press) => {
    const row = press.target.closest("li");
    const byFinger = press.pointerType !== "mouse";
    if (!row || press.button !== 0 || press.target.closest("button")) return;
    if (byFinger && !press.target.closest(".place")) return;
    press.preventDefault(); // no text is selected
    follow(list, row, press, onMove);
  });
}

function follow(list, row, press, onMove) {
  const rows = [...list.children];
  const from = rows.indexOf(row);
  const boxes = rows.map((each) => each.getBoundingClientRect());
  let to = from;

  const end = new AbortController();
  const listen = (target, kind, act) => target.addEventListener(kind, act, { signal: end.signal });
  row.setPointerCapture(press.pointerId);
  listen(row, "pointermove", (event) => {
    const by = within(boxes, from, event.clientY - press.clientY);
    if (!row.classList.contains("dragged") && Math.abs(by) < THRESHOLD) return;
    row.classList.add("dragged");
    to = placeFor(boxes, from, by);
    rows.forEach((each, i) => (each.style.transform = `translateY(${i === from ? by : shift(boxes, from, to, i)}px)`));
  });
  listen(row, "pointerup", () => drop(true));
  listen(row, "pointercancel", () => drop(false));
  listen(document, "keydown", (event) => event.key === "Escape" && drop(false));

  function drop(wanted) {
    end.abort();
    row.classList.remove("dragged");
    rows.forEach((each) => each.style.removeProperty("transform"));
    if (wanted && to !== from) onMove(from, to);
  }
}

/** No further than to the ends of the list. */
function within(boxes, from, by) {
  const up = boxes[0].top - boxes[from].top;
  const down = boxes.at(-1).bottom - boxes[from].bottom;
  return Math.min(Math.max(by, up), down);
}

/** The place that a row has reached which was dragged `by` pixels: past the middle of its neighbours. */
function placeFor(boxes, from, by) {
  const top = boxes[from].top + by;
  const bottom = boxes[from].bottom + by;
  const middle = (box) => (box.top + box.bottom) / 2;
  const above = boxes.filter((box, i) => i < from && middle(box) > top).length;
  const below = boxes.filter((box, i) => i > from && middle(box) < bottom).length;
  return from - above + below;
}

/** How far row `i` makes room. */
function shift(boxes, from, to, i) {
  if (from < i && i <= to) return -boxes[from].height;
  if (to <= i && i < from) return boxes[from].height;
  return 0;
}
