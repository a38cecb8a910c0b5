/** Volumes of a Revision, as in core/v1: secret, configMap, emptyDir and projected. */
import type { Static } from "typebox";
import { choice, flag, integer, keyed, list, object, optional, quantity, refused, text } from "./meta/fields.ts";

const mode = (description: string) => optional(integer(description, 0, 0o777));
const optionally = optional(flag("Whether it may be missing. Default: false."));

const items = optional(
  list(
    "Which keys become files, and where; other keys are left out. Default: every key, under its own name.",
    256,
    object("A key and its file.", {
      key: text("The key.", 253, { minLength: 1 }),
      path: text("The file's path in the volume: relative, without `..`.", 1024, { minLength: 1 }),
      mode: mode("The file's permission bits. Default: the volume's defaultMode."),
    }),
  ),
);

const secret = object("The keys of a Secret as files.", {
  secretName: text("The Secret, in the same namespace.", 253, { minLength: 1 }),
  items,
  defaultMode: mode("Permission bits of the files. Default: 0644."),
  optional: optionally,
});

const configMap = object("The keys of a ConfigMap as files.", {
  name: text("The ConfigMap, in the same namespace.", 253, { minLength: 1 }),
  items,
  defaultMode: mode("Permission bits of the files. Default: 0644."),
  optional: optionally,
});

const emptyDir = object("A directory that starts empty and goes with the instance.", {
  medium: optional(choice("Where it is kept: the machine's disk, or Memory. Default: disk.", ["", "Memory"])),
  sizeLimit: optional(quantity("The most that fits in, a quantity such as 64Mi.")),
});

const notYet = "not supported yet";

const projected = object("Keys of several Secrets and ConfigMaps as files of one directory.", {
  sources: list(
    "What is projected; exactly one source in each entry.",
    32,
    object("One source.", {
      secret: optional(
        object("Keys of a Secret.", { name: text("The Secret.", 253, { minLength: 1 }), items, optional: optionally }),
      ),
      configMap: optional(
        object("Keys of a ConfigMap.", {
          name: text("The ConfigMap.", 253, { minLength: 1 }),
          items,
          optional: optionally,
        }),
      ),
      downwardAPI: refused(notYet),
      serviceAccountToken: refused(notYet),
      clusterTrustBundle: refused(notYet),
      podCertificate: refused(notYet),
    }),
  ),
  defaultMode: mode("Permission bits of the files. Default: 0644."),
});

const noHost = "instances never see the machine's files; use secret, configMap, emptyDir or projected";
const noDisk = "instances keep no state; use secret, configMap, emptyDir or projected";

/** A directory that containers can mount: exactly one of secret, configMap, emptyDir and projected. */
const volumeSchema = object("A directory to mount. Exactly one of configMap, emptyDir, projected and secret.", {
  name: text("Its name, a DNS label, unique in the Revision.", 63, { minLength: 1 }),
  secret: optional(secret),
  configMap: optional(configMap),
  emptyDir: optional(emptyDir),
  projected: optional(projected),
  hostPath: refused(noHost),
  persistentVolumeClaim: refused(noDisk),
  ephemeral: refused(noDisk),
  csi: refused(noDisk),
  nfs: refused(noDisk),
  iscsi: refused(noDisk),
  image: refused(notYet),
  downwardAPI: refused(notYet),
  gitRepo: refused(notYet),
  awsElasticBlockStore: refused(noDisk),
  azureDisk: refused(noDisk),
  azureFile: refused(noDisk),
  cephfs: refused(noDisk),
  cinder: refused(noDisk),
  fc: refused(noDisk),
  flexVolume: refused(noDisk),
  flocker: refused(noDisk),
  gcePersistentDisk: refused(noDisk),
  glusterfs: refused(noDisk),
  photonPersistentDisk: refused(noDisk),
  portworxVolume: refused(noDisk),
  quobyte: refused(noDisk),
  rbd: refused(noDisk),
  scaleIO: refused(noDisk),
  storageos: refused(noDisk),
  vsphereVolume: refused(noDisk),
});
export type Volume = Static<typeof volumeSchema>;

/** `volumes`, merged by name. */
export const volumesSchema = keyed("Directories that the container can mount.", 64, "name", volumeSchema);
