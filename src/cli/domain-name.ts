import { InvalidArgumentError } from "commander";

/** A DNS name below which services answer, in lower case (RFC 1123 §2.1). */
export function domainName(text: string): string {
  if (text.length > 120 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text)) {
    throw new InvalidArgumentError("Give a DNS name in lower case, such as apps.example.com.");
  }
  return text;
}
