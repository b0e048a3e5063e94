// Draws /openapi.json for people: operations by group, then the shapes that they speak of.
// In: the document. Out: elements. Nothing is fetched from anywhere else, and no text ever becomes markup.

const METHODS = ["get", "post", "delete"];
const LANGUAGES = { curl: "curl", python: "Python" };

/** An element with attributes and children; strings become text. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return element;
}

/** Text with `code` in it. */
function prose(text = "") {
  return text.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") ? el("code", {}, part.slice(1, -1)) : part));
}

const nameOf = (ref) => ref.split("/").pop();
const anchorOf = (operation) => `operation-${operation.operationId}`;
const schemaLink = (name) => el("a", { href: `#schema-${name}` }, name);

/** A type in words, with links to the shapes it is made of. */
function typeOf(schema) {
  if (schema.$ref) return [schemaLink(nameOf(schema.$ref))];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.flatMap((choice, i) => (i ? [" or ", ...typeOf(choice)] : typeOf(choice)));
  if (schema.enum) return schema.enum.flatMap((value, i) => [i ? " | " : "", el("code", {}, JSON.stringify(value))]);
  if (schema.type === "array") {
    const items = schema.prefixItems ?? [schema.items ?? {}];
    return ["list of ", ...(schema.prefixItems ? [`${items.length} × `] : []), ...typeOf(items[0])];
  }
  if (schema.contentMediaType) return ["bytes"];
  return [(schema.type ?? "anything") + boundsOf(schema)];
}

function boundsOf(schema) {
  const low = schema.minimum ?? schema.minLength;
  const high = schema.maximum ?? schema.maxLength;
  const what = schema.type === "string" ? " characters" : "";
  if (low !== undefined && high !== undefined) return ` (${low} to ${high}${what})`;
  if (low !== undefined) return ` (at least ${low}${what})`;
  return high === undefined ? "" : ` (at most ${high}${what})`;
}

/** Rows of name, type and meaning. */
function fieldTable(caption, fields) {
  const rows = fields.map(({ name, schema, required, description }) =>
    el("tr", {},
      el("th", { scope: "row" }, el("code", {}, name), required ? el("span", { class: "needed" }, "required") : ""),
      el("td", {},
        el("p", { class: "type" }, typeOf(schema), defaultOf(schema)),
        description ? el("p", {}, prose(description)) : ""),
    ));
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, caption), el("tbody", {}, rows)));
}

function defaultOf(schema) {
  const value = schema.default;
  const isNothing = value === undefined || value === null || (Array.isArray(value) && !value.length) || value === "";
  return isNothing ? [] : [" · default ", el("code", {}, JSON.stringify(value))];
}

function fieldsOf(schema) {
  return Object.entries(schema.properties ?? {}).map(([name, field]) => ({
    name,
    schema: field,
    required: schema.required?.includes(name),
    description: field.description,
  }));
}

function resolve(api, schema) {
  return schema.$ref ? api.components.schemas[nameOf(schema.$ref)] : schema;
}

// --- an operation ---------------------------------------------------------------------------

function drawOperation(api, path, method, operation) {
  const socket = operation["x-websocket"];
  const badge = socket ? "ws" : method;
  const id = anchorOf(operation);
  return el("article", { class: "card operation", id, "aria-labelledby": `${id}-title` },
    el("h3", { id: `${id}-title` },
      el("span", { class: `method ${badge}` }, badge.toUpperCase()),
      el("span", { class: "path" }, path),
      el("a", { class: "summary", href: `#${id}` }, operation.summary)),
    el("p", {}, prose(operation.description)),
    drawInputs(api, operation),
    socket ? drawSocket(socket) : "",
    drawAnswers(operation),
    drawSamples(operation["x-codeSamples"]),
  );
}

function drawInputs(api, operation) {
  const tables = [];
  for (const [place, caption] of [["path", "In the path"], ["query", "In the query"]]) {
    const fields = operation.parameters.filter((parameter) => parameter.in === place);
    if (fields.length) tables.push(fieldTable(caption, fields));
  }
  for (const [type, body] of Object.entries(operation.requestBody?.content ?? {})) {
    const parts = body.schema.allOf ?? [body.schema];
    tables.push(fieldTable(`In the body (${type})`, parts.flatMap((part) => fieldsOf(resolve(api, part)))));
  }
  return tables;
}

function drawSocket(socket) {
  const names = (schema) => (schema.anyOf ?? [schema]).map(
    (choice) => el("li", {}, choice.$ref ? schemaLink(nameOf(choice.$ref)) : "binary frames"));
  const codes = Object.entries(socket.closeCodes);
  return el("div", { class: "messages" },
    el("section", {}, el("h4", {}, "The client says"), el("ul", {}, names(socket.client))),
    el("section", {}, el("h4", {}, "The server says"), el("ul", {}, names(socket.server))),
    el("section", {}, el("h4", {}, "It closes with"),
      el("dl", {}, codes.map(([code, text]) => [el("dt", {}, code), el("dd", {}, text)]))),
  );
}

function drawAnswers(operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const content = Object.entries(answer.content ?? {});
    const headers = Object.entries(answer.headers ?? {});
    return el("tr", {},
      el("th", { scope: "row" }, el("span", { class: `status s${status[0]}` }, status)),
      el("td", {},
        el("p", {}, prose(answer.description)),
        content.map(([type, { schema }]) => el("p", { class: "type" }, `${type}: `, typeOf(schema))),
        headers.map(([name, { description }]) => el("p", { class: "type" }, el("code", {}, name), `: ${description}`))),
    );
  });
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, "Answers"), el("tbody", {}, rows)));
}

function drawSamples(samples) {
  return samples.map(({ lang, source }) =>
    el("figure", { class: "sample" },
      el("figcaption", {}, LANGUAGES[lang] ?? lang),
      el("pre", { tabindex: "0" }, el("code", {}, source))));
}

// --- the page -------------------------------------------------------------------------------

function* operationsOf(api, group) {
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS) {
      if (item[method]?.tags.includes(group)) yield [path, method, item[method]];
    }
  }
}

function drawContents(api) {
  const groups = api.tags.map(({ name }) => [
    el("h2", {}, name),
    el("ul", {}, [...operationsOf(api, name)].map(([, , operation]) =>
      el("li", {}, el("a", { href: `#${anchorOf(operation)}` }, operation.summary)))),
  ]);
  return [...groups.flat(), el("h2", {}, el("a", { href: "#schemas" }, "Shapes"))];
}

function drawGroups(api) {
  return api.tags.map(({ name, description }) =>
    el("section", { class: "group" },
      el("h2", {}, name),
      el("p", { class: "hint" }, prose(description)),
      [...operationsOf(api, name)].map(([path, method, operation]) => drawOperation(api, path, method, operation))));
}

function drawSchemas(api) {
  const shapes = Object.entries(api.components.schemas).sort(([a], [b]) => a.localeCompare(b));
  return el("section", { class: "group" },
    el("h2", {}, "Shapes"),
    shapes.map(([name, schema]) =>
      el("article", { class: "card shape", id: `schema-${name}` },
        el("h3", {}, name),
        el("p", {}, prose(schema.description)),
        schema.properties && Object.keys(schema.properties).length ? fieldTable("Fields", fieldsOf(schema)) : "")));
}

async function main() {
  const about = document.getElementById("about");
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const api = await answer.json();
    about.replaceChildren(...prose(api.info.description));
    document.getElementById("version").textContent = api.info.version;
    document.getElementById("contents").append(...drawContents(api));
    document.getElementById("operations").append(...drawGroups(api));
    document.getElementById("schemas").append(drawSchemas(api));
  } catch (error) {
    about.textContent = `The document cannot be loaded (${error.message}). Reload the page once the server runs.`;
    return;
  }
  // The browser looked for the fragment before there was anything to find.
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

main();
