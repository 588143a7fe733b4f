// What the endpoint answers, from its own OpenAPI description, each request ready to be sent.

import { byId, element } from "./dom.js";

const METHODS = ["get", "post", "put", "delete"];

describe();

async function describe() {
  let api;
  try {
    api = await (await fetch("openapi.json")).json();
  } catch {
    byId("problem").replaceChildren(element("p", {}, "The endpoint does not answer: load this page again."));
    return;
  }
  byId("about").textContent = api.info.description;
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ path, method, ...methods[method] })),
  );
  const key = keyField();
  byId("contents").replaceChildren(...operations.map(contentsEntry));
  byId("requests").replaceChildren(...operations.map((operation) => section(api, operation, key)));
}

const nameOf = ({ method, path }) => `${method.toUpperCase()} ${path}`;
const anchorOf = (operation) => nameOf(operation).replaceAll(/\W+/g, "-");

/** Where an API key goes, should the endpoint ask for one. */
function keyField() {
  const input = element("input", { id: "api-key", type: "password", autocomplete: "off" });
  byId("key").replaceChildren(element("label", { for: input.id }, "API key, where the endpoint asks for one"), input);
  return input;
}

function contentsEntry(operation) {
  return element("li", {}, element("a", { href: `#${anchorOf(operation)}` }, nameOf(operation)));
}

function section(api, operation, key) {
  const made = element(
    "section",
    { id: anchorOf(operation), "aria-label": nameOf(operation) },
    element("h2", {}, nameOf(operation)),
    element("p", {}, operation.description ?? operation.summary ?? ""),
  );
  made.append(form(operation, key));
  const answer = resolved(api, operation.responses?.["200"]?.content?.["application/json"]?.schema);
  if (answer?.properties) made.append(fields(api, "What comes back", answer));
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  if (body?.properties) made.append(fields({ ...api, ...body }, "What the body holds", body));
  const problems = Object.entries(operation.responses ?? {}).filter(([status]) => status >= "400");
  if (problems.length) made.append(list("What can go wrong", problems.map(([status, it]) => [status, it.description])));
  return made;
}

function form(operation, key) {
  const id = anchorOf(operation);
  const inputs = (operation.parameters ?? []).map((parameter) => ({ parameter, input: parameterField(id, parameter) }));
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const example = schema && JSON.stringify(schema.examples?.[0] ?? {}, null, 1).replaceAll(/\s+/g, " ");
  const body = schema && element("textarea", { id: `${id}-body`, spellcheck: "false", rows: "2" }, example);
  const answer = element("div", { role: "status" });
  const made = element(
    "form",
    {},
    ...inputs.flatMap(({ parameter, input }) => [element("label", { for: input.id }, labelOf(parameter)), input]),
    ...(body ? [element("label", { for: body.id }, "Body"), body] : []),
    element("button", { type: "submit" }, "Send"),
    answer,
  );
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.replaceChildren(element("pre", { tabindex: "0" }, await send(operation, inputs, body?.value, key)));
  });
  return made;
}

function parameterField(id, { name, schema, required }) {
  const value = schema?.examples?.[0] ?? schema?.default ?? "";
  return element("input", { id: `${id}-${name}`, value: value ?? "", autocomplete: "off", required: Boolean(required) });
}

const labelOf = ({ name, description }) => (description ? `${name}: ${description}` : name);

async function send({ path, method }, inputs, body, key) {
  const query = new URLSearchParams();
  let address = path.slice(1); // relative to this page
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.append(parameter.name, input.value);
  }
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (key.value) headers.Authorization = `Bearer ${key.value}`;
  try {
    const response = await fetch(query.size ? `${address}?${query}` : address, { method: method.toUpperCase(), headers, body });
    return `${response.status}\n${readable(await response.text())}`;
  } catch {
    return "The endpoint does not answer.";
  }
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function fields(api, title, schema) {
  const named = Object.entries(schema.properties).map(([name, field]) => [name, described(api, field)]);
  return list(title, named);
}

function list(title, entries) {
  const rows = entries.flatMap(([name, text]) => [
    element("dt", {}, element("code", {}, name)),
    element("dd", {}, text),
  ]);
  return element("details", {}, element("summary", {}, title), element("dl", {}, ...rows));
}

function described(api, field) {
  const parts = [typeOf(api, field), field.description].filter(Boolean);
  return parts.join(": ");
}

/** The type in words; what an object holds in braces. */
function typeOf(api, field) {
  const schema = resolved(api, field);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map((choice) => typeOf(api, choice)))].join(" or ");
  if (schema.enum ?? schema.const) return [schema.const ?? schema.enum].flat().map((value) => `“${value}”`).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? typeOf(api, schema.items) : "anything"}`;
  if (schema.type === "object" && schema.properties) return `{${Object.keys(schema.properties).join(", ")}}`;
  return { integer: "whole number", string: "text", boolean: "true or false", null: "null" }[schema.type] ?? schema.type ?? "anything";
}

function resolved(api, schema) {
  if (!schema?.$ref) return schema;
  return schema.$ref.slice(2).split("/").reduce((place, name) => place?.[name], api) ?? {};
}
