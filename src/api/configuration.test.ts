import { describe, expect, test } from "vitest";
import { admit, faultTexts } from "../../test/support/faults.ts";
import { Configuration } from "./configuration.ts";
import { objectSchema } from "./meta/object-schema.ts";
import { unknownFields } from "./meta/schema.ts";

function configuration(container: object, spec: object = {}, metadata?: object): unknown {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "my-service", namespace: "default" },
    spec: {
      revisionTemplate: {
        ...(metadata === undefined ? {} : { metadata }),
        spec: { container: { image: "registry.example/app:1", ...container }, ...spec },
      },
    },
  };
}

const path = "spec.revisionTemplate.spec";

describe("Configuration", () => {
  test("fills in the documented defaults and nothing else", () => {
    const { object, faults } = admit(Configuration, configuration({}));
    expect(faults).toEqual([]);
    expect(object.spec.revisionTemplate.spec).toEqual({
      container: { image: "registry.example/app:1", imagePullPolicy: "IfNotPresent" },
      concurrencyModel: "MultiThreaded",
      containerConcurrency: 0,
      timeoutSeconds: 300,
      serviceAccountName: "default",
    });
  });

  test.each([
    ["app", "Always"],
    ["app:latest", "Always"],
    ["app:1", "IfNotPresent"],
    [`app@sha256:${"0".repeat(64)}`, "IfNotPresent"],
    [`app:latest@sha256:${"0".repeat(64)}`, "IfNotPresent"],
  ])("pulls %s %s", (image, policy) => {
    const { object } = admit(Configuration, configuration({ image }));
    expect(object.spec.revisionTemplate.spec.container.imagePullPolicy).toBe(policy);
  });

  test("accepts what typed clients of core/v1 send without meaning it", () => {
    const container = { name: "", resources: {}, stdin: false, tty: false, securityContext: { privileged: false } };
    const object = configuration(container, {}, { creationTimestamp: null });
    expect(faultTexts(Configuration, object)).toEqual([]);
    expect(unknownFields(objectSchema(Configuration), object)).toEqual([]);
  });

  test("reads an empty service account's name as the default", () => {
    const { object, faults } = admit(Configuration, configuration({}, { serviceAccountName: "" }));
    expect(faults).toEqual([]);
    expect(object.spec.revisionTemplate.spec.serviceAccountName).toBe("default");
  });

  test("reads quantities that are numbers", () => {
    const { object, faults } = admit(
      Configuration,
      configuration(
        { resources: { limits: { cpu: 2, memory: "256Mi" }, requests: { cpu: 0.5 } } },
        { volumes: [{ name: "v", emptyDir: { sizeLimit: 1048576 } }] },
      ),
    );
    expect(faults).toEqual([]);
    const { container, volumes } = object.spec.revisionTemplate.spec;
    expect(container.resources).toEqual({ limits: { cpu: "2", memory: "256Mi" }, requests: { cpu: "0.5" } });
    expect(volumes?.[0]?.emptyDir).toEqual({ sizeLimit: "1048576" });
  });

  test("accepts a container with everything that there is", () => {
    const everything = configuration(
      {
        command: ["/app"],
        args: ["--port", "$(PORT)"],
        env: [
          { name: "A", value: "1" },
          { name: "EMPTY" },
          { name: "B", valueFrom: { secretKeyRef: { name: "s", key: "k", optional: true } } },
          { name: "C", valueFrom: { configMapKeyRef: { name: "c", key: "k" } } },
          { name: "D", valueFrom: { fieldRef: { fieldPath: "metadata.labels['elafros.dev/configuration']" } } },
        ],
        envFrom: [{ prefix: "P_", secretRef: { name: "s" } }, { configMapRef: { name: "c" } }],
        workingDir: "/srv",
        ports: [{ containerPort: 9000, name: "http1", protocol: "TCP" }],
        resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m", memory: "1Gi" } },
        livenessProbe: {
          httpGet: { path: "/healthz?full=1", port: "http1", httpHeaders: [{ name: "Host", value: "x" }] },
        },
        readinessProbe: { tcpSocket: { port: 9000 }, successThreshold: 2 },
        startupProbe: { exec: { command: ["true"] }, failureThreshold: 30 },
        volumeMounts: [
          { name: "s", mountPath: "/etc/secret" },
          { name: "e", mountPath: "/dev/shm" },
          { name: "p", mountPath: "/etc/all/", readOnly: true, subPath: "a/b" },
        ],
        securityContext: {
          runAsUser: 1000,
          runAsNonRoot: true,
          capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
          allowPrivilegeEscalation: false,
          seccompProfile: { type: "RuntimeDefault" },
        },
        terminationMessagePath: "/tmp/last-words",
        terminationMessagePolicy: "FallbackToLogsOnError",
      },
      {
        concurrencyModel: "SingleThreaded",
        containerConcurrency: 1,
        imagePullSecrets: [{ name: "pull" }],
        volumes: [
          { name: "s", secret: { secretName: "s", items: [{ key: "k", path: "a/b", mode: 256 }] } },
          { name: "e", emptyDir: { medium: "Memory", sizeLimit: "64Mi" } },
          { name: "p", projected: { sources: [{ secret: { name: "s" } }, { configMap: { name: "c" } }] } },
          { name: "c", configMap: { name: "c" } },
        ],
      },
      {
        labels: { "elafros.dev/type": "function", app: "x" },
        annotations: { "elafros.dev/deployed-at": "2026-01-01T00:00:00Z", "elafros.dev/git-commit": "a6f92d1" },
      },
    );
    expect(faultTexts(Configuration, everything)).toEqual([]);
  });

  test.each<[string, object, string[]]>([
    [
      "fields of core/v1 that it doesn't carry out, each by name",
      { name: "c", lifecycle: {}, stdin: true, volumeDevices: [], ports: [{ containerPort: 1, hostPort: 2 }] },
      [
        `${path}.container.ports[0].hostPort: Forbidden: the gateway is the only way to an instance`,
        `${path}.container.name: Forbidden: a Revision has exactly one container, which needs no name`,
        `${path}.container.lifecycle: Forbidden: not supported yet`,
        `${path}.container.stdin: Forbidden: a service gets its input by HTTP`,
        `${path}.container.volumeDevices: Forbidden: instances never see the machine's devices`,
      ],
    ],
    [
      "an image that is no reference",
      { image: "Registry/App:1 " },
      [
        `${path}.container.image: Invalid value: "Registry/App:1 ": must be an image reference such as registry.example/app:1.2 or registry.example/app@sha256:…`,
      ],
    ],
    [
      "an empty image",
      { image: "" },
      [`${path}.container.image: Invalid value: "": ${path}.container.image in body should be at least 1 chars long`],
    ],
    [
      "variables that the platform sets",
      { env: [{ name: "PORT", value: "1" }, { name: "K_REVISION" }] },
      [
        `${path}.container.env[0].name: Invalid value: "PORT": is set by the platform, as are PORT, K_SERVICE, K_CONFIGURATION, K_REVISION: choose another name`,
        `${path}.container.env[1].name: Invalid value: "K_REVISION": is set by the platform, as are PORT, K_SERVICE, K_CONFIGURATION, K_REVISION: choose another name`,
      ],
    ],
    [
      "a variable twice",
      {
        env: [
          { name: "A", value: "1" },
          { name: "A", value: "2" },
        ],
      },
      [`${path}.container.env[1].name: Duplicate value: "A"`],
    ],
    [
      "a variable with value and valueFrom, with nothing in valueFrom, with two things",
      {
        env: [
          { name: "A", value: "1", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
          { name: "B", valueFrom: {} },
          { name: "C", valueFrom: { secretKeyRef: { name: "s", key: "k" }, configMapKeyRef: { name: "c", key: "k" } } },
          { name: "D", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
          { name: "E", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
        ],
      },
      [
        `${path}.container.env[3].valueFrom.resourceFieldRef: Forbidden: not supported yet`,
        `${path}.container.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
        `${path}.container.env[1].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`configMapKeyRef\` or \`secretKeyRef\``,
        `${path}.container.env[2].valueFrom: Invalid value: "": may not have more than one field specified at a time`,
        `${path}.container.env[4].valueFrom.fieldRef.fieldPath: Invalid value: "status.podIP": not supported yet: only metadata.namespace, metadata.labels['KEY'], metadata.annotations['KEY'] and spec.serviceAccountName are`,
      ],
    ],
    [
      "envFrom of nothing and of both",
      { envFrom: [{}, { secretRef: { name: "s" }, configMapRef: { name: "c" } }] },
      [
        `${path}.container.envFrom[0]: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
        `${path}.container.envFrom[1]: Invalid value: "": may not have more than one field specified at a time`,
      ],
    ],
    [
      "two ports",
      { ports: [{ containerPort: 80 }, { containerPort: 81 }] },
      [`${path}.container.ports: Too many: 2: must have at most 1 items`],
    ],
    [
      "ports that are none",
      { ports: [{ containerPort: 0, name: "grpc" }] },
      [
        `${path}.container.ports[0].containerPort: Invalid value: 0: ${path}.container.ports[0].containerPort in body should be greater than or equal to 1`,
        `${path}.container.ports[0].name: Unsupported value: "grpc": supported values: "", "http1", "h2c"`,
      ],
    ],
    [
      "resources it doesn't know, quantities that are none, requests above limits",
      {
        resources: {
          limits: { cpu: "1", memory: "1 GB", "nvidia.com/gpu": "1" },
          requests: { cpu: "1500m", memory: "-1" },
          claims: [],
        },
      },
      [
        `${path}.container.resources.claims: Forbidden: not supported yet`,
        `${path}.container.resources.limits[memory]: Invalid value: "1 GB": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
        `${path}.container.resources.limits[nvidia.com/gpu]: Unsupported value: "nvidia.com/gpu": supported values: "cpu", "memory"`,
        `${path}.container.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0`,
        `${path}.container.resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit`,
      ],
    ],
    [
      "limits of nothing and of too much",
      { resources: { limits: { cpu: "0", memory: 0 }, requests: { cpu: "", memory: "1E" } } },
      [
        `${path}.container.resources.limits[cpu]: Invalid value: "0": must be greater than 0: leave it out for no limit`,
        `${path}.container.resources.limits[memory]: Invalid value: "0": must be greater than 0: leave it out for no limit`,
        `${path}.container.resources.requests[cpu]: Invalid value: "": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
        `${path}.container.resources.requests[memory]: Invalid value: "1E": must be less than 8Pi`,
        `${path}.container.resources.requests: Invalid value: "1E": must be less than or equal to memory limit`,
      ],
    ],
    [
      "probes without, and with two handlers, and other ports",
      {
        livenessProbe: { successThreshold: 2 },
        readinessProbe: { exec: { command: ["true"] }, httpGet: { path: "no-slash", port: "web", host: "127.0.0.1" } },
      },
      [
        `${path}.container.readinessProbe.httpGet.host: Forbidden: probes always ask the instance itself; name a virtual host with a Host header in httpHeaders`,
        `${path}.container.livenessProbe: Required value: must specify a handler type`,
        `${path}.container.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
        `${path}.container.readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type`,
        `${path}.container.readinessProbe.httpGet.port: Invalid value: "web": must be a number or the name of the container's port, 8080`,
        `${path}.container.readinessProbe.httpGet.path: Invalid value: "no-slash": must be a path that begins with / and is percent-encoded`,
      ],
    ],
    [
      "header fields that would break the request",
      { livenessProbe: { httpGet: { httpHeaders: [{ name: "a b", value: "x\r\nEvil: 1" }] } } },
      [
        `${path}.container.livenessProbe.httpGet.httpHeaders[0].name: Invalid value: "a b": must be the name of an HTTP header field`,
        `${path}.container.livenessProbe.httpGet.httpHeaders[0].value: Invalid value: "x\\r\\nEvil: 1": must be the value of an HTTP header field: no line breaks`,
      ],
    ],
    [
      "a working directory that is relative, last words outside of the tree",
      { workingDir: "srv", terminationMessagePath: "/a/../../etc/shadow" },
      [
        `${path}.container.workingDir: Invalid value: "srv": must be an absolute path`,
        `${path}.container.terminationMessagePath: Invalid value: "/a/../../etc/shadow": must be a plain path, without '//', '.' and '..'`,
      ],
    ],
    [
      "last words in place of the root",
      { terminationMessagePath: "/" },
      [`${path}.container.terminationMessagePath: Invalid value: "/": must be the path of a file`],
    ],
    [
      "last words in the kernel's files",
      { terminationMessagePath: "/proc/sysrq-trigger" },
      [
        `${path}.container.terminationMessagePath: Invalid value: "/proc/sysrq-trigger": must not be in /proc, which the system makes`,
      ],
    ],
    [
      "privileges",
      {
        securityContext: {
          privileged: true,
          allowPrivilegeEscalation: true,
          runAsNonRoot: true,
          runAsUser: 0,
          capabilities: { add: ["CAP_CHOWN", "SYS_ADMIN"], drop: ["all"] },
        },
      },
      [
        `${path}.container.securityContext.privileged: Forbidden: an instance never has the machine's privileges`,
        `${path}.container.securityContext.allowPrivilegeEscalation: Forbidden: no process of an instance ever gains privileges`,
        `${path}.container.securityContext.runAsUser: Invalid value: 0: is root, which runAsNonRoot excludes`,
        `${path}.container.securityContext.capabilities.add[1]: Unsupported value: "SYS_ADMIN": supported values: "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"`,
        `${path}.container.securityContext.capabilities.drop[0]: Invalid value: "all": must be ALL or a capability such as NET_RAW`,
      ],
    ],
    [
      "arguments with a NUL",
      { command: ["a\0b"], args: ["\0"], startupProbe: { exec: { command: ["\0"] } } },
      [
        `${path}.container.command[0]: Invalid value: "a\\u0000b": must not contain a NUL character`,
        `${path}.container.args[0]: Invalid value: "\\u0000": must not contain a NUL character`,
        `${path}.container.startupProbe.exec.command[0]: Invalid value: "\\u0000": must not contain a NUL character`,
      ],
    ],
  ])("refuses a container with %s", (_, container, expected) => {
    expect(faultTexts(Configuration, configuration(container))).toEqual(expected);
  });

  const mount = (mountPath: string, name = "v") => ({ name, mountPath });
  test.each<[string, object[], string[]]>([
    ["no volume", [mount("/a", "w")], ['[0].name: Not found: "w"']],
    ["a relative path", [mount("a")], ['[0].mountPath: Invalid value: "a": must be an absolute path']],
    [
      "a path that climbs",
      [mount("/a/../b")],
      ["[0].mountPath: Invalid value: \"/a/../b\": must be a plain path, without '//', '.' and '..'"],
    ],
    [
      "the root",
      [mount("/")],
      ['[0].mountPath: Invalid value: "/": must not be the root: the image\'s own files are there'],
    ],
    [
      "a place of the system",
      [mount("/proc/self"), mount("/dev")],
      [
        '[0].mountPath: Invalid value: "/proc/self": must not be in /proc, which the system makes',
        '[1].mountPath: Invalid value: "/dev": must not be in /dev, which the system makes',
      ],
    ],
    [
      "one place twice",
      [mount("/a"), mount("/a/"), mount("/a")],
      ['[2].mountPath: Duplicate value: "/a"', '[1].mountPath: Invalid value: "/a/": must be unique'],
    ],
    [
      "a part outside",
      [
        { ...mount("/a"), subPath: "../x" },
        { ...mount("/b"), subPath: "/x" },
      ],
      [
        "[0].subPath: Invalid value: \"../x\": must not contain '..'",
        '[1].subPath: Invalid value: "/x": must be a relative path',
      ],
    ],
  ])("refuses a mount of %s", (_, volumeMounts, expected) => {
    const object = configuration({ volumeMounts }, { volumes: [{ name: "v", emptyDir: {} }] });
    expect(faultTexts(Configuration, object)).toEqual(
      expected.map((fault) => `${path}.container.volumeMounts${fault}`),
    );
  });

  test("refuses volumes with no, two and unknown sources", () => {
    const volumes = [
      { name: "a" },
      { name: "b", secret: { secretName: "s" }, configMap: { name: "c" } },
      { name: "c", hostPath: { path: "/" } },
      { name: "c", emptyDir: { medium: "HugePages", sizeLimit: "big" } },
      { name: "D", projected: { sources: [{}, { serviceAccountToken: {} }] } },
      { name: "e", secret: { secretName: "s", items: [{ key: "a/b", path: "../x" }], defaultMode: 4096 } },
    ];
    const faults = faultTexts(Configuration, configuration({}, { volumes }));
    expect(faults.map((fault) => fault.slice(path.length + ".volumes".length).slice(0, 90))).toEqual([
      "[2].hostPath: Forbidden: instances never see the machine's files; use secret, configMap, e",
      '[3].emptyDir.medium: Unsupported value: "HugePages": supported values: "", "Memory"',
      "[4].projected.sources[1].serviceAccountToken: Forbidden: not supported yet",
      `[5].secret.defaultMode: Invalid value: 4096: spec.revisionTemplate.spec.volumes[5].secret.`,
      '[3].name: Duplicate value: "c"',
      "[0]: Required value: must specify a volume type",
      "[1].configMap: Forbidden: may not specify more than 1 volume type",
      `[3].emptyDir.sizeLimit: Invalid value: "big": quantities must match the regular expression`,
      `[4].name: Invalid value: "D": a lowercase RFC 1123 label must consist of lower case alphan`,
      "[4].projected.sources[0]: Required value: must specify a source",
      `[5].secret.items[0].key: Invalid value: "a/b": a valid config key must consist of alphanum`,
      `[5].secret.items[0].path: Invalid value: "../x": must not contain '..'`,
    ]);
  });

  test.each<[string, object, string[]]>([
    [
      "SingleThreaded with more than one request at once",
      { concurrencyModel: "SingleThreaded", containerConcurrency: 2 },
      [
        `${path}.containerConcurrency: Invalid value: 2: must be 0 or 1 with concurrencyModel SingleThreaded: leave it out, or use MultiThreaded`,
      ],
    ],
    [
      "values out of range",
      { concurrencyModel: "Multi", containerConcurrency: 1001, timeoutSeconds: 0 },
      [
        `${path}.concurrencyModel: Unsupported value: "Multi": supported values: "SingleThreaded", "MultiThreaded"`,
        `${path}.containerConcurrency: Invalid value: 1001: ${path}.containerConcurrency in body should be less than or equal to 1000`,
        `${path}.timeoutSeconds: Invalid value: 0: ${path}.timeoutSeconds in body should be greater than or equal to 1`,
      ],
    ],
    [
      "a build's name that is none",
      { buildName: "B_1" },
      [expect.stringContaining(`${path}.buildName: Invalid value: "B_1": a lowercase RFC 1123 subdomain`) as string],
    ],
    [
      "a Secret twice",
      { imagePullSecrets: [{ name: "a" }, { name: "a" }] },
      [`${path}.imagePullSecrets[1].name: Duplicate value: "a"`],
    ],
  ])("refuses %s", (_, spec, expected) => {
    expect(faultTexts(Configuration, configuration({}, spec))).toEqual(expected);
  });

  test("refuses labels and annotations that are the platform's, and settings of autoscaling that are none", () => {
    const metadata = {
      name: "mine",
      labels: { "elafros.dev/configuration": "other", ok: "yes" },
      annotations: { "elafros.dev/creator": "me", "autoscaling.elafros.dev/minScale": "1" },
    };
    const at = "spec.revisionTemplate.metadata";
    expect(faultTexts(Configuration, configuration({}, {}, metadata))).toEqual([
      `${at}.name: Forbidden: the platform names Revisions: the Configuration's name and its generation`,
      `${at}.labels[elafros.dev/configuration]: Forbidden: the platform sets names under elafros.dev/; yours to set: elafros.dev/type`,
      expect.stringMatching(
        /annotations\[autoscaling\.elafros\.dev\/minScale\]: Forbidden: no such setting: .*min-scale/,
      ),
      `${at}.annotations[elafros.dev/creator]: Forbidden: the platform sets names under elafros.dev/; yours to set: elafros.dev/deployed-at, elafros.dev/git-commit, elafros.dev/git-dirty`,
    ]);
  });

  test("says what is missing from the top down", () => {
    const object = {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata: { name: "a", namespace: "b" },
    };
    expect(faultTexts(Configuration, object)).toEqual(["spec: Required value"]);
    expect(faultTexts(Configuration, { ...object, spec: { revisionTemplate: {} } })).toEqual([
      "spec.revisionTemplate.spec: Required value",
    ]);
    expect(faultTexts(Configuration, { ...object, spec: { revisionTemplate: { spec: { container: {} } } } })).toEqual([
      `${path}.container.image: Required value`,
    ]);
  });

  test("never changes a status write for the sake of an old spec", () => {
    const { object } = admit(Configuration, configuration({ image: "NOT an image" }));
    const user = { username: "system:controller", groups: [] };
    expect(Configuration.validate?.(object, { operation: "update", old: object, user, subresource: "status" })).toEqual(
      [],
    );
  });
});
