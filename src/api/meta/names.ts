/** The forms of names, labels and annotations, with Kubernetes' words for what is wrong (apimachinery `validation`). */

/** What is wrong with a value, in words; empty where it is well formed. */
export type Check = (value: string) => string[];

const label1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const dataKeyPattern = /^[-._a-zA-Z0-9]+$/;
const envNamePattern = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

const label1123Words =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const subdomain1123Words =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const label1035Words =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const qualifiedWords =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelValueWords =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const dataKeyWords =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const envNameWords =
  "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')";

function tooLong(max: number): string {
  return `must be no more than ${max} characters`;
}

function form(pattern: RegExp, words: string, max: number): Check {
  return (value) => {
    // Nothing is matched against a pattern before its length is known to be small.
    if (value.length > max) return [tooLong(max)];
    return pattern.test(value) ? [] : [words];
  };
}

/** A DNS label (RFC 1123), at most 63 characters: namespaces, volumes. */
export const dns1123Label: Check = form(label1123, label1123Words, 63);
/** A DNS name (RFC 1123), at most 253 characters: most objects. */
export const dns1123Subdomain: Check = form(subdomain1123, subdomain1123Words, 253);
/** A DNS label that starts with a letter (RFC 1035), at most `max` characters. */
export const dns1035Label = (max: number): Check => form(label1035, label1035Words, max);
/** The value of a label. */
export const labelValue: Check = form(labelValuePattern, labelValueWords, 63);
/** The name of an environment variable. */
export const envName: Check = form(envNamePattern, envNameWords, 1024);

/** The key of a value in a Secret or ConfigMap: a file name. */
export const dataKey: Check = (value) => {
  if (value.length > 253) return [tooLong(253)];
  if (!dataKeyPattern.test(value)) return [dataKeyWords];
  if (value === ".") return ["must not be '.'"];
  if (value === "..") return ["must not be '..'"];
  return value.startsWith("..") ? ["must not start with '..'"] : [];
};

/** `[prefix/]name`: the key of a label or annotation, a finalizer. */
export const qualifiedName: Check = (value) => {
  const [first = "", second, ...more] = value.split("/", 3);
  if (more.length > 0) {
    return [
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ];
  }
  const name = second ?? first;
  const faults = second === undefined ? [] : prefixFaults(first);
  if (name === "") return [...faults, "name part must be non-empty"];
  if (name.length > 63) return [...faults, `name part ${tooLong(63)}`];
  return qualifiedPart.test(name) ? faults : [...faults, qualifiedWords];
};

function prefixFaults(prefix: string): string[] {
  if (prefix === "") return ["prefix part must be non-empty"];
  return dns1123Subdomain(prefix).map((fault) => `prefix part ${fault}`);
}

/** A name that is only safe as a part of a path: roles and their bindings. */
export const pathSegment: Check = (value) => {
  if (value === "." || value === "..") return [`may not be '${value}'`];
  return ["/", "%"].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
};
