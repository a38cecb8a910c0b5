/** placeholder replaced below */
import { ApiError } from "../api/meta/errors.ts";
export function decodeProtobuf(_bytes: Buffer): unknown {
  throw new ApiError("UnsupportedMediaType", "protobuf bodies are not read here");
}
