// Which games may be recommended: one control for each field of the catalogue, none where it has no fields.

import { byId, element } from "./dom.js";

const place = byId("filters");
const list = byId("fields");
const controls = new Map(); // field name -> () => what is chosen, undefined for anything
let tell = () => {};

/** `onChange` is called when another choice is made. */
export function startFilters(onChange) {
  tell = () => {
    const count = Object.keys(chosen()).length;
    byId("filters-count").textContent = count ? `(${count})` : "";
    byId("any").hidden = !count;
    onChange();
  };
  list.addEventListener("change", () => tell());
  byId("any").addEventListener("click", () => {
    for (const input of list.querySelectorAll("select, input")) input.value = "";
    place.querySelector("summary").focus(); // the button goes away
    tell();
  });
}

/** Show the fields, keeping what is chosen where a field is still there. */
export function showFilters(fields) {
  const before = new Map([...list.querySelectorAll("select, input")].map((input) => [input.id, input.value]));
  controls.clear();
  const order = Object.keys(KINDS); // genres and tags first
  const known = Object.entries(fields).filter(([, { kind }]) => order.includes(kind));
  known.sort(([, one], [, other]) => order.indexOf(one.kind) - order.indexOf(other.kind));
  list.replaceChildren(...known.flatMap(([name, field]) => KINDS[field.kind](name, field)));
  for (const [id, value] of before) if (value && byId(id)) byId(id).value = value;
  place.hidden = controls.size === 0;
}

/** The filters as the endpoint takes them. */
export function chosen() {
  const filters = [...controls].map(([name, read]) => [name, read()]);
  return Object.fromEntries(filters.filter(([, wanted]) => wanted !== undefined));
}

const KINDS = {
  text: (name, { values }) => {
    const select = choice(name, values.map((value) => [value, value]));
    controls.set(name, () => select.value || undefined);
    return labelled(name, select);
  },
  number: (name, field) => range(name, field, "number", ["min", "max"], (input) => input.valueAsNumber),
  date: (name, field) => range(name, field, "date", ["after", "before"], (input) => input.value),
  flag: (name) => {
    const select = choice(name, [["true", "yes"], ["false", "no"]]);
    controls.set(name, () => (select.value ? select.value === "true" : undefined));
    return labelled(name, select);
  },
};

function choice(name, options) {
  return element(
    "select",
    { id: `filter-${name}` },
    element("option", { value: "" }, "any"),
    ...options.map(([value, words]) => element("option", { value }, words)),
  );
}

function range(name, { least, greatest }, type, ends, read) {
  const inputs = ends.map((end, side) =>
    element("input", {
      type, id: `filter-${name}-${end}`, "aria-label": `${words(name)}, ${end}`,
      placeholder: String(side ? greatest : least), min: String(least), max: String(greatest), step: "any",
    }),
  );
  controls.set(name, () => {
    const given = ends.flatMap((end, side) => (inputs[side].value ? [[end, read(inputs[side])]] : []));
    return given.length ? Object.fromEntries(given) : undefined;
  });
  const title = element("legend", {}, words(name));
  return [element("fieldset", {}, title, inputs[0], element("span", { class: "note" }, "to"), inputs[1])];
}

function labelled(name, control) {
  return [element("label", { for: control.id }, words(name)), control];
}

/** A column's name as people read it. */
function words(name) {
  const plain = name.replaceAll("_", " ");
  return plain[0].toUpperCase() + plain.slice(1);
}
