/**
 * The OCI driver's parts and what each gives the others: images (containers-storage), network (one bridge per data directory)
 * and instances (conmon and the OCI runtime), which uses both.
 */
import type { ImagesPort } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";

/** An image on this machine, ready to be a root. */
export interface ImageRoot {
  /** Directories for overlay's `lowerdir`, topmost first. */
  layers: string[];
  /** The image's own configuration (OCI image-spec `config`). */
  config: {
    env: string[];
    entrypoint: string[];
    cmd: string[];
    user: string;
    workingDir: string;
    stopSignal: string;
    volumes: string[];
  };
  /** The image's configuration digest, without `sha256:`. */
  id: string;
}

/** An image that a build has left: the directory of its OCI layout, and the name that it gets. */
interface BuiltImage {
  layout: string;
  name: string;
  /** A directory of blobs whose bytes are what their names say: they needn't be in the layout, nor be looked at. */
  knownBlobs?: string;
}

export interface ImageStore extends ImagesPort {
  /** The root of an image that is present. Undefined where it isn't: pull first. */
  root(exact: string): Promise<ImageRoot | undefined>;
  /**
   * Takes the image of an OCI layout that nobody writes to any more into local storage, and gives its exact name. A name without a registry becomes
   * `localhost/…`. Doing it again is harmless; `signal` ends it.
   * @throws ImageError
   */
  importLayout(image: BuiltImage, signal: AbortSignal): Promise<string>;
  /** Sends it to the registry of its name, under its tag and with its digest; nothing happens where the name has none. @throws ImageError */
  pushLayout(image: BuiltImage, auth: readonly RegistryAuth[], signal: AbortSignal): Promise<void>;
  /** Removes images that none of the given exact references needs. Returns what was removed. */
  prune(keep: readonly string[]): Promise<string[]>;
}

/** An instance's place on the network. */
export interface Attachment {
  /** Path of the network namespace. */
  netns: string;
  /** Its IPv4 address on the bridge. */
  address: string;
}

export interface InstanceNetwork {
  /** The bridge's own address: gateway, DNS server and `host.elafros.internal` of every instance. */
  readonly gateway: string;
  /** Takes a prepared namespace, or makes one. `id` names its holder and is kept on disk with it. */
  attach(id: string): Promise<Attachment>;
  /** The namespaces that are held, by holder, also those of before a restart of control. */
  attached(): Promise<Map<string, Attachment>>;
  /** Removes the holder's namespace and veth; nothing happens where there is none. */
  release(id: string): Promise<void>;
  /** Contents of an instance's /etc/resolv.conf and /etc/hosts. */
  resolvConf(): string;
  hosts(hostname: string, address: string): string;
}
