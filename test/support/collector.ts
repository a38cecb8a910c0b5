/** A collector of traces: a real HTTP server that takes OTLP's JSON and remembers the spans. */
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface SeenSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number };
  /** Of the span, by name. */
  attributes: Record<string, string | number>;
  /** `service.name` of who said it. */
  service: string;
}

export interface Collector {
  endpoint: string;
  spans: SeenSpan[];
  /** What it answers; 200 at first. */
  status: number;
  /** How many requests came. */
  requests: number;
  close(): Promise<void>;
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: string; doubleValue?: number };
}

interface TraceRequest {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: (Omit<SeenSpan, "attributes" | "service"> & { attributes: Attribute[] })[] }[];
  }[];
}

/** Starts one. `port` 0 takes any. */
export async function startCollector(port = 0): Promise<Collector> {
  const collector: Collector = { endpoint: "", spans: [], status: 200, requests: 0, close: async () => {} };
  const server = http.createServer((req, res) => {
    let body = "";
    req.setEncoding("utf8").on("data", (part: string) => (body += part));
    req.on("end", () => {
      collector.requests += 1;
      const wanted =
        req.method === "POST" && req.url === "/v1/traces" && req.headers["content-type"] === "application/json";
      if (wanted && collector.status === 200) collector.spans.push(...read(JSON.parse(body) as TraceRequest));
      res.writeHead(wanted ? collector.status : 404, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  collector.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  collector.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return collector;
}

function read({ resourceSpans }: TraceRequest): SeenSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        ...span,
        attributes: plain(span.attributes),
        service: String(plain(resource.attributes)["service.name"]),
      })),
    ),
  );
}

function plain(attributes: Attribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.doubleValue ?? Number(value.intValue)]),
  );
}
