/** Faults of a build's source beyond its schema. What is written here reaches git's command line and a URL client: it is checked by form. */
import type { Source } from "./build-spec.ts";
import { validateStep } from "./build-step.validation.ts";
import type { Cause } from "./meta/errors.ts";
import { at, cause, checked, forbidden } from "./meta/faults.ts";
import type { Check } from "./meta/names.ts";
import type { Volume } from "./volume.ts";

type Git = NonNullable<Source["git"]>;

/** Faults of the source at `path`. */
export function validateSource(source: Source, volumes: readonly Volume[], path: string): Cause[] {
  const given = (["git", "gcs", "custom"] as const).filter((type) => source[type] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? "none of them" : given.join(" and ");
    return [cause("UnrecognizedSource", path, `A source is exactly one of git, gcs and custom: it has ${found}`)];
  }
  const { git, gcs, custom } = source;
  return [
    ...(git === undefined ? [] : gitFaults(git, at(path, "git"))),
    ...(gcs === undefined ? [] : locationFaults(gcs.location ?? "", at(path, "gcs.location"))),
    ...(custom === undefined ? [] : customFaults(custom, volumes, at(path, "custom"))),
  ];
}

function customFaults(custom: NonNullable<Source["custom"]>, volumes: readonly Volume[], path: string): Cause[] {
  const { name = "", ...step } = custom;
  const named =
    name === ""
      ? []
      : [
          cause(
            "OmitName",
            at(path, "name"),
            `The container that brings the source has no name: leave out "${name.slice(0, 63)}"`,
          ),
        ];
  return [...named, ...validateStep(step, volumes, path)];
}

function gitFaults(git: Git, path: string): Cause[] {
  const { url = "", commit = "", branch = "", tag = "", ref = "" } = git;
  const faults: Cause[] = [];
  if (url === "") faults.push(cause("MissingUrl", at(path, "url"), "A git source has the repository's URL in url"));
  faults.push(...checked(gitUrl, url, at(path, "url")));
  const given = Object.entries({ commit, branch, tag, ref }).filter(([, value]) => value !== "");
  if (given.length === 0) {
    const words = "A git source says what to take: set commit, branch, tag or ref";
    faults.push(cause("MissingCommitish", path, words));
  }
  for (const [name] of given.slice(1)) {
    faults.push(forbidden(at(path, name), `only one of commit, branch, tag and ref may be set: ${given[0]?.[0]} is`));
  }
  return [
    ...faults,
    ...checked(fullCommit, commit, at(path, "commit")),
    ...checked(refName, branch, at(path, "branch")),
    ...checked(refName, tag, at(path, "tag")),
    ...checked(refName, ref, at(path, "ref")),
  ];
}

const fullCommit: Check = (value) =>
  /^(?:[a-f0-9]{40}|[a-f0-9]{64})$/.test(value)
    ? []
    : [
        "must be all 40 hexadecimal digits of a commit (64 with SHA-256), in lower case: `git rev-parse NAME` prints them",
      ];

/** The names that git allows (git-check-ref-format), less those that look like an option. */
const refName: Check = (value) => {
  // oxlint-disable-next-line no-control-regex -- git forbids control characters in names
  const odd = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|\.lock$|(?:^|\/)\./.test(value);
  return odd || value === "@" ? ["must be a name that git allows, such as main, v1.2 or refs/pull/7/head"] : [];
};

const gitUrlWords = "must be https://HOST/PATH, http://…, ssh://[USER@]HOST/PATH, [USER@]HOST:PATH or file:///PATH";
const noPassword =
  "must not hold a password, which everyone who may read builds would see: put it into a Secret of type kubernetes.io/basic-auth";

const gitUrl: Check = (value) => {
  if (!isPlain(value)) return [gitUrlWords];
  if (/^(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9.][A-Za-z0-9.-]*:(?!\/\/)[^:]/.test(value)) return [];
  return urlFaults(value, ["https:", "http:", "ssh:", "file:"], gitUrlWords);
};

const locationWords = "must be an https://, gs:// or s3:// URL, or upload:sha256: and 64 hexadecimal digits";

function locationFaults(location: string, field: string): Cause[] {
  if (location === "") {
    return [cause("MissingLocation", field, "A gcs source has the archive's or manifest's URL in location")];
  }
  return checked(locationForm, location, field);
}

const locationForm: Check = (value) => {
  if (/^upload:sha256:[a-f0-9]{64}$/.test(value)) return [];
  if (value.startsWith("upload:") || !isPlain(value)) return [locationWords];
  if (value.startsWith("http://") && !/#sha256=[a-f0-9]{64}$/.test(value)) {
    return ["must be https://, or have the archive's digest at its end: #sha256= and 64 hexadecimal digits"];
  }
  return urlFaults(value, ["https:", "http:", "gs:", "s3:"], locationWords);
};

function urlFaults(value: string, schemes: readonly string[], words: string): string[] {
  const url = URL.parse(value);
  if (url === null || !schemes.includes(url.protocol) || !value.startsWith(`${url.protocol}//`)) return [words];
  if (url.password !== "") return [noPassword];
  if (url.protocol === "file:") return url.hostname === "" && url.pathname.length > 1 ? [] : [words];
  return url.hostname !== "" && !url.hostname.startsWith("-") && !url.username.startsWith("-") ? [] : [words];
}

/** No spaces and no control characters, and nothing that could be taken for an option. */
function isPlain(value: string): boolean {
  return /^[^\s\p{Cc}-][^\s\p{Cc}]*$/u.test(value);
}
