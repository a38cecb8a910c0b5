/** `elafros-image REQUEST RESULT`: takes the image that a build's steps have left, in the Pod's last container, and says what became of it. */
import { readFile, writeFile } from "node:fs/promises";
import type { ImageRequest, ImageResult } from "../programs.ts";
import { takeImage } from "./take.ts";

const [requestPath = "", resultPath = ""] = process.argv.slice(2);
/** Kubernetes keeps 4096 bytes. */
const mostWords = 1500;

const request = JSON.parse(await readFile(requestPath, "utf8")) as ImageRequest;
const places = { layout: "/builder/image", digest: "/builder/image-digest" };
const result = await takeImage(request, places, (line) => void process.stdout.write(`${line}\n`));
await writeFile(resultPath, JSON.stringify(shortened(result)));
if ("failure" in result) {
  process.stderr.write(`${result.failure.message}\n`);
  process.exitCode = 1;
}

function shortened(said: ImageResult): ImageResult {
  if (!("failure" in said)) return said;
  const { reason, message } = said.failure;
  return { failure: { reason, message: message.slice(0, mostWords) } };
}
