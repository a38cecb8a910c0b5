import { fastify } from "fastify";

interface Greeting {
  hello: string;
}

const app = fastify({ logger: true });

app.get<{ Querystring: { name?: string } }>("/", ({ query }): Greeting => {
  return { hello: query.name ?? process.env["TARGET"] ?? "World" };
});

// A container's first process ends by a signal only where it asks for it.
process.once("SIGTERM", () => void app.close());

await app.listen({ host: "::", port: Number(process.env["PORT"] ?? 8080) });
