/** Content negotiation: what the `Accept` header asks for, of what the server has. */
import { ApiError } from "../api/meta/errors.ts";

type Transform = "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList";

/** The form that an answer takes. */
export interface Negotiated {
  format: "json" | "yaml";
  transform?: Transform;
  /** Indented JSON. */
  pretty: boolean;
}

interface MediaRange {
  type: string;
  params: Record<string, string>;
  quality: number;
}

/** The media ranges of an `Accept` header, best first; at most 32 are read. */
export function parseAccept(header: string): MediaRange[] {
  const ranges = header
    .split(",", 32)
    .map((part) => {
      const [type = "", ...rest] = part.split(";").map((piece) => piece.trim());
      const params: Record<string, string> = Object.create(null) as Record<string, string>;
      for (const piece of rest) {
        const at = piece.indexOf("=");
        if (at > 0) params[piece.slice(0, at).toLowerCase()] = piece.slice(at + 1);
      }
      const q = params["q"];
      delete params["q"];
      const quality = q === undefined ? 1 : Number(q);
      return { type: type.toLowerCase(), params, quality: Number.isFinite(quality) ? quality : 0 };
    })
    .filter((range) => range.type !== "" && range.quality > 0);
  return ranges.sort((a, b) => b.quality - a.quality);
}

const transforms: readonly string[] = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"];
const objectTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/**
 * Chooses the form of an answer. `watch` allows JSON only. Rejects with NotAcceptable, naming what there is, where nothing fits.
 * Protobuf is named, as in Kubernetes, but never chosen: clients that ask for it name JSON as well.
 */
export function negotiate(
  accept: string | undefined,
  options: { pretty?: boolean; watch?: boolean; transformable?: boolean } = {},
): Negotiated {
  const pretty = options.pretty ?? false;
  if (accept === undefined || accept.trim() === "") return { format: "json", pretty };
  for (const { type, params } of parseAccept(accept)) {
    const as = params["as"];
    let transform: Transform | undefined;
    if (as !== undefined) {
      if (options.transformable === false || !transforms.includes(as)) continue;
      if (params["g"] !== "meta.k8s.io" || params["v"] !== "v1") continue;
      transform = as as Transform;
    }
    const format = formatOf(type);
    if (format === undefined || (options.watch === true && format === "yaml")) continue;
    return transform === undefined ? { format, pretty } : { format, transform, pretty };
  }
  const offered =
    options.watch === true
      ? ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
      : objectTypes;
  throw new ApiError("NotAcceptable", `only the following media types are accepted: ${offered.join(", ")}`);
}

/** The form of an error: YAML where YAML was asked for, else JSON; never fails. */
export function negotiateError(accept: string | undefined): Negotiated {
  const first = parseAccept(accept ?? "").find(({ type }) => formatOf(type) !== undefined);
  return { format: first === undefined ? "json" : (formatOf(first.type) ?? "json"), pretty: false };
}

function formatOf(type: string): "json" | "yaml" | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  if (type === "application/yaml") return "yaml";
  return undefined;
}
