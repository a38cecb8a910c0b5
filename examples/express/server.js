import express from "express";

const app = express();
app.get("/", (_request, response) => {
  response.send(`Hello ${process.env.TARGET ?? "World"}\n`);
});
app.get("/items/:id", (request, response) => {
  response.json({ id: request.params.id });
});
const server = app.listen(process.env.PORT ?? 8080, () => console.log("Serving"));

// A container's first process ends by a signal only where it asks for it.
process.on("SIGTERM", () => server.close());
