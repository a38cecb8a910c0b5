/**
 * The module that a Node.js function's image starts with: it finds the function among the exports of the source's module and registers it with the Functions Framework.
 * The framework by itself takes no `module.exports = …`, no default export, and no event handler that doesn't say that it is one.
 */
export const functionModule = `// Written by Elafros. Registers the function of the source with the Functions Framework.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const {
  ELAFROS_FUNCTION_FILE: file,
  ELAFROS_FUNCTION_NAME: name,
  ELAFROS_FUNCTION_TARGET: target,
  ELAFROS_FUNCTION_SIGNATURE: signature,
} = process.env;
// As the source would load it: its own where it has one.
const framework = createRequire(file)("@google-cloud/functions-framework");
const loaded = await import(pathToFileURL(file).href);
const find = (start) => name.split(".").reduce((value, part) => value?.[part], start);
const isFunction = (value) => typeof value === "function";
// What a CommonJS module exports is its default export; a compiled one's default export is a member of that.
const found = [find(loaded), find(loaded.default)].find(isFunction);
if (found === undefined) {
  const names = [...new Set([...Object.keys(loaded), ...Object.keys(loaded.default ?? {})])].filter((each) => each !== "default");
  console.error(\`Cannot find function "\${name}" in \${file}: it exports \${names.join(", ") || "nothing"}\`);
  process.exit(1);
}
// Handlers of HTTP requests take a request and a response, those of events an event.
const event = signature === "cloudevent" || (signature === "" && found.length === 1);
framework[event ? "cloudEvent" : "http"](target, found);
`;
