// Puts all pages into one file, with their digests.
const { createHash } = require("node:crypto");
const { readFileSync, readdirSync, writeFileSync } = require("node:fs");

const pages = {};
for (const name of readdirSync("site")) {
  const text = readFileSync(`site/${name}`, "utf8");
  pages[name === "index.html" ? "/" : `/${name}`] = {
    text,
    etag: `"${createHash("sha256").update(text).digest("hex")}"`,
  };
}
writeFileSync("pages.json", JSON.stringify(pages));
