/** Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2` (apimachinery `labels.Parse`, with its error texts). */
import type { KubeObject } from "../api/meta/types.ts";
import { badSelector } from "./selector-error.ts";

type Operator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | ">" | "<";

interface Requirement {
  key: string;
  operator: Operator;
  values: ReadonlySet<string>;
}

interface Token {
  is: "identifier" | "end" | "(" | ")" | "," | Exclude<Operator, "exists">;
  text: string;
}

const symbols = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"] as const;
const valuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const namePattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const prefixPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** Longer ones would only cost time: a label key has at most 317 characters. */
const maxLength = 16_384;
/** Each requirement is looked at for each object of a list. */
const maxRequirements = 100;
const none: ReadonlySet<string> = new Set();

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const symbol = symbols.find((candidate) => text.startsWith(candidate, at));
    if (/\s/.test(text.charAt(at))) at += 1;
    else if (symbol !== undefined) {
      tokens.push({ is: symbol, text: symbol });
      at += symbol.length;
    } else {
      const word = /^[^\s=!(),<>]+/.exec(text.slice(at))?.[0] ?? text.charAt(at);
      tokens.push({ is: word === "in" || word === "notin" ? word : "identifier", text: word });
      at += word.length;
    }
  }
  return [...tokens, { is: "end", text: "" }];
}

class Parser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    if (this.#peek().is === "end") return requirements;
    for (;;) {
      const next = this.#peek();
      if (next.is !== "identifier" && next.is !== "!") {
        const after = requirements.length > 0 ? "identifier after ','" : "!, identifier, or 'end of string'";
        throw badSelector(`found '${next.text}', expected: ${after}`);
      }
      requirements.push(this.#requirement());
      const separator = this.#take();
      if (separator.is === "end") return requirements;
      if (separator.is !== ",") throw badSelector(`found '${separator.text}', expected: ',' or 'end of string'`);
    }
  }

  /** The next token; `in` and `notin` are words where no operator can stand. */
  #peek(operator = false): Token {
    const token = this.#tokens[this.#at] ?? { is: "end", text: "" };
    return !operator && (token.is === "in" || token.is === "notin") ? { is: "identifier", text: token.text } : token;
  }

  #take(operator = false): Token {
    const token = this.#peek(operator);
    this.#at += 1;
    return token;
  }

  #requirement(): Requirement {
    let token = this.#take();
    const negated = token.is === "!";
    if (negated) token = this.#take();
    if (token.is !== "identifier") throw expected(token, ": identifier");
    const key = token.text;
    checkKey(key);
    const after = this.#peek();
    if (negated) return { key, operator: "!", values: none };
    if (after.is === "end" || after.is === ",") return { key, operator: "exists", values: none };
    const operator = this.#take(true);
    switch (operator.is) {
      case "in":
      case "notin":
        return { key, operator: operator.is, values: new Set(this.#checked(key, this.#set())) };
      case "=":
      case "==":
      case "!=":
        return { key, operator: operator.is, values: new Set(this.#checked(key, [this.#exact()])) };
      case ">":
      case "<":
        return { key, operator: operator.is, values: new Set([checkInteger(this.#exact())]) };
      default:
        throw expected(operator, ": in, notin, =, ==, !=, gt, lt");
    }
  }

  #exact(): string {
    const next = this.#peek();
    if (next.is === "end" || next.is === ",") return "";
    this.#take();
    if (next.is !== "identifier") throw expected(next, ": identifier");
    return next.text;
  }

  #set(): string[] {
    const open = this.#take();
    if (open.is !== "(") throw badSelector(`unable to parse requirement: found '${open.text}' expected: '('`);
    const values: string[] = [];
    let current: string | undefined;
    for (;;) {
      const token = this.#take();
      switch (token.is) {
        case "identifier":
          if (current !== undefined) throw expected(token, ": ',' or ')'");
          current = token.text;
          break;
        case ",":
          values.push(current ?? "");
          current = undefined;
          break;
        case ")":
          return [...values, current ?? ""];
        default:
          throw expected(token, ": ',', ')' or identifier");
      }
    }
  }

  #checked(key: string, values: string[]): string[] {
    for (const [index, value] of values.entries()) {
      if (value.length > 63 || !valuePattern.test(value)) {
        const fault =
          value.length > 63
            ? "must be no more than 63 characters"
            : "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
        throw badSelector(
          `unable to parse requirement: values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${fault}`,
        );
      }
    }
    return values;
  }
}

function expected(token: Token, what: string): Error {
  return badSelector(`unable to parse requirement: found '${token.text}', expected${what}`);
}

function checkKey(key: string): void {
  const slash = key.lastIndexOf("/");
  const [prefix, name] = slash < 0 ? ["a", key] : [key.slice(0, slash), key.slice(slash + 1)];
  if (name.length <= 63 && namePattern.test(name) && prefix.length <= 253 && prefixPattern.test(prefix)) return;
  throw badSelector(
    `unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
  );
}

function checkInteger(value: string): string {
  if (/^-?[0-9]{1,18}$/.test(value)) return value;
  throw badSelector(
    `unable to parse requirement: values[0]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
  );
}

/** Compares a label with a limit as integers; what is none never compares. */
function compares(
  value: string | undefined,
  limit: string | undefined,
  by: (a: bigint, b: bigint) => boolean,
): boolean {
  return value !== undefined && /^-?[0-9]{1,18}$/.test(value) && by(BigInt(value), BigInt(limit ?? "0"));
}

type Test = (value: string | undefined, values: ReadonlySet<string>) => boolean;
const isIn: Test = (value, values) => value !== undefined && values.has(value);
const isNotIn: Test = (value, values) => value === undefined || !values.has(value);

const tests: Record<Operator, Test> = {
  exists: (value) => value !== undefined,
  "!": (value) => value === undefined,
  "=": isIn,
  "==": isIn,
  in: isIn,
  "!=": isNotIn,
  notin: isNotIn,
  ">": (value, [limit]) => compares(value, limit, (a, b) => a > b),
  "<": (value, [limit]) => compares(value, limit, (a, b) => a < b),
};

/** Whether an object's labels meet the selector. Throws `BadRequest` where `selector` can't be read; an empty one meets all. */
export function parseLabelSelector(selector: string): (object: KubeObject) => boolean {
  if (selector.length > maxLength) throw badSelector(`The label selector is too long: at most ${maxLength} characters`);
  const requirements = new Parser(selector).parse();
  if (requirements.length > maxRequirements) {
    throw badSelector(`The label selector has too many requirements: at most ${maxRequirements}`);
  }
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return requirements.every(({ key, operator, values }) =>
      tests[operator](Object.hasOwn(labels, key) ? labels[key] : undefined, values),
    );
  };
}
