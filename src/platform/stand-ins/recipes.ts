/**
 * What the stand-in base images are made of: this machine's distribution packages, unpacked without their maintainer scripts, and this Elafros' Node.js. They
 * stand on one another, so that what they share is there once.
 */

/** The names of base images in ConfigMap `base-images`. */
export type BaseImage =
  | "node-build"
  | "node-run"
  | "python-build"
  | "python-run"
  | "go-build"
  | "go-run"
  | "static-run";

/** The languages that `--only` takes. */
const standInLanguages = ["node", "python", "go", "static"] as const;
type StandInLanguage = (typeof standInLanguages)[number];

export interface Recipe {
  name: BaseImage | "base";
  /** The image that it stands on; absent: an empty one. */
  from?: Recipe["name"];
  /** Packages to unpack, with their dependencies as far as `follow` names them. */
  packages: readonly string[];
  follow?: RegExp;
  /** Paths that are left out, as tar's patterns. */
  leaveOut?: readonly string[];
  /** What else is put in. */
  with?: readonly ("accounts" | "certificates" | "busybox" | "node" | "npm")[];
  env?: Record<string, string>;
}

/** Documentation and what only package managers read. */
const always = [
  "./usr/share/doc*",
  "./usr/share/man*",
  "./usr/share/locale*",
  "./usr/share/lintian*",
  "./usr/share/bug*",
];

const recipes: readonly Recipe[] = [
  {
    name: "base",
    packages: ["base-files", "busybox-static", "libc6", "libgcc-s1", "libstdc++6", "libatomic1", "tzdata"],
    with: ["accounts", "certificates", "busybox"],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
  },
  { name: "node-run", from: "base", packages: [], with: ["node"], env: { NODE_USE_SYSTEM_CA: "1" } },
  { name: "node-build", from: "node-run", packages: [], with: ["npm"] },
  // libpython3-stdlib and the like are `lib…`; those that only package managers need aren't.
  { name: "python-run", from: "base", packages: ["python3"], follow: /^(?:z?lib(?!c6$|gcc|stdc)|python3)/u },
  {
    name: "python-build",
    from: "python-run",
    packages: ["python3-venv"],
    follow: /^python3.*-(?:venv|whl|distutils|lib2to3)$/u,
  },
  // A compiled program needs the accounts and the certificates.
  { name: "go-run", packages: [], with: ["accounts", "certificates"], env: { PATH: "/usr/local/bin:/usr/bin:/bin" } },
  {
    name: "go-build",
    from: "base",
    packages: ["golang-go"],
    follow: /^golang/u,
    leaveOut: [
      "./usr/share/go-*/test",
      "./usr/share/go-*/src/cmd",
      "./usr/lib/go-*/pkg/*/cmd",
      "./usr/share/go-*/api",
      "./usr/share/go-*/misc",
      "./usr/lib/go-*/pkg/*_dynlink",
      "./usr/lib/go-*/pkg/*_race",
    ],
    // Without a C compiler; and a program without C runs anywhere.
    env: { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOTOOLCHAIN: "local" },
  },
  { name: "static-run", from: "base", packages: ["nginx"], follow: /^(?:z?lib(?!c6$|gcc|stdc)|nginx)/u },
];

const languageOf: Record<BaseImage, StandInLanguage> = {
  "node-build": "node",
  "node-run": "node",
  "python-build": "python",
  "python-run": "python",
  "go-build": "go",
  "go-run": "go",
  "static-run": "static",
};

/**
 * The recipes for some languages, in the order in which they stand on one another; all where none is named.
 * @throws where one isn't a language that stand-ins are made for
 */
export function recipesFor(only: readonly string[] | undefined): Recipe[] {
  for (const name of only ?? []) {
    if (standInLanguages.some((each) => each === name)) continue;
    throw new Error(`Cannot make stand-ins for "${name}": they are made for ${standInLanguages.join(", ")}`);
  }
  const wanted = new Set<Recipe["name"]>();
  const byName = new Map(recipes.map((recipe) => [recipe.name, recipe]));
  const want = (name: Recipe["name"]) => {
    wanted.add(name);
    const from = byName.get(name)?.from;
    if (from !== undefined) want(from);
  };
  for (const { name } of recipes) {
    if (name !== "base" && (only === undefined || only.includes(languageOf[name]))) want(name);
  }
  return recipes
    .filter(({ name }) => wanted.has(name))
    .map((recipe) => ({ ...recipe, leaveOut: [...always, ...(recipe.leaveOut ?? [])] }));
}
