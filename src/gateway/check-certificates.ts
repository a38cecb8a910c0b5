/** Proves that a value from outside (the socket, the file) is an update of certificates before anything uses it. */
import type { CertificateUpdate, Challenge, ServedCertificate } from "../routing/certificates.ts";
import { checksOf } from "./checks.ts";

const { record, list, text, wrong } = checksOf("the certificates");

/** The value as an update. Throws an Error that names the first member at fault, and repeats nothing of its value: it may be a key. */
export function checkCertificates(value: unknown): CertificateUpdate {
  const update = record(value, "update");
  const version = update["version"];
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 0) throw wrong("version", "a number");
  const ticketKeys = text(update["ticketKeys"], "ticketKeys");
  if (Buffer.from(ticketKeys, "base64").length !== 48) throw wrong("ticketKeys", "48 bytes in base64");
  return {
    version,
    whole: update["whole"] === true,
    put: list(update["put"], "put").map((one, i) => certificate(one, `put[${i}]`)),
    remove: list(update["remove"], "remove").map((id, i) => text(id, `remove[${i}]`)),
    ticketKeys,
    challenges: list(update["challenges"], "challenges").map((one, i) => challenge(one, `challenges[${i}]`)),
  };
}

function certificate(value: unknown, at: string): ServedCertificate {
  const one = record(value, at);
  return {
    id: text(one["id"], `${at}.id`),
    names: list(one["names"], `${at}.names`).map((name, i) => text(name, `${at}.names[${i}]`)),
    cert: text(one["cert"], `${at}.cert`),
    key: text(one["key"], `${at}.key`),
  };
}

function challenge(value: unknown, at: string): Challenge {
  const one = record(value, at);
  const host = text(one["host"], `${at}.host`);
  if (one["type"] === "http-01") {
    const token = text(one["token"], `${at}.token`);
    return { type: "http-01", host, token, answer: text(one["answer"], `${at}.answer`) };
  }
  if (one["type"] !== "tls-alpn-01") throw wrong(`${at}.type`, "http-01 or tls-alpn-01");
  return { type: "tls-alpn-01", host, cert: text(one["cert"], `${at}.cert`), key: text(one["key"], `${at}.key`) };
}
