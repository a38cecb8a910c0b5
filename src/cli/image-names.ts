/** Names of images below another registry: the same for what is copied there and for manifests that name it. */

/** `PREFIX/PATH:TAG` for an image, where PATH is its name without registry, tag and digest. Names without a registry are Docker Hub's. */
export function nameBelow(prefix: string, image: string, tag: string): string {
  return `${prefix.replace(/\/+$/u, "")}/${pathOf(image)}:${tag}`;
}

/** The repository's path of an image's name. */
function pathOf(image: string): string {
  const [name = ""] = image.split("@");
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const hosted = first === "localhost" || /[.:]/u.test(first);
  const path = (hosted ? name.slice(slash + 1) : name).replace(/:[^/:]*$/u, "");
  return !hosted && !path.includes("/") ? `library/${path}` : path;
}

/** The tag of an image's name; `latest` where it says none. */
export function tagOf(image: string): string {
  const [name = ""] = image.split("@");
  return /:([^/:]+)$/u.exec(name)?.[1] ?? "latest";
}
