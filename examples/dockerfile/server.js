const { createServer } = require("node:http");
const pages = require("./pages.json");

const server = createServer((request, response) => {
  const page = pages[request.url];
  if (page === undefined) {
    response.writeHead(404).end("Not found\n");
  } else if (request.headers["if-none-match"] === page.etag) {
    response.writeHead(304).end();
  } else {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", etag: page.etag }).end(page.text);
  }
});
server.listen(process.env.PORT ?? 8080, () => console.log("Serving"));

// A container's first process ends by a signal only where it asks for it.
process.on("SIGTERM", () => server.close());
