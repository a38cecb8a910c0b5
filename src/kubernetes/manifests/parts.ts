/** The controllers and the gateways: Deployments, Services, what may be disrupted, and who may connect to them. */
import { controllerHttps, gatewayHttps } from "./https.ts";
import {
  doorService,
  drainsService,
  type InstallOptions,
  type Manifest,
  type Part,
  labelsOf,
  leaderLease,
  linkCertificate,
  linkAudience,
  nameOf,
  partOf,
  ports,
  selectorOf,
} from "./names.ts";
import { sharedTemplates, uploadsConfig } from "../../api/build-names.ts";
import { deployment, disruptionBudget } from "./pods.ts";

/** Seconds in which every node and load balancer hears that a gateway goes, while it serves on. */
const settle = 15;
/** Seconds in which a gateway ends the requests that it has: what a response may take to begin by default, and as much again. */
const drain = 600;

function service(of: { part: Part; namespace: string; spec: object; name?: string }): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: of.name ?? nameOf(of.part), namespace: of.namespace, labels: labelsOf(of.part) },
    spec: { selector: selectorOf(of.part), ...of.spec },
  };
}

function controller(options: InstallOptions): Manifest[] {
  const { namespace, domain, image, toolsImage, buildRegistry, buildRegistrySecret } = options;
  const { stepMemory, stepMemoryRequest, authorities } = options;
  const https = controllerHttps(options);
  return [
    ...https.objects,
    // Without an address of its own: a gateway looks for the one that leads among all.
    service({
      part: "controller",
      namespace,
      spec: {
        clusterIP: "None",
        ports: [
          { name: "link", port: ports.link, targetPort: "link" },
          { name: "sources", port: ports.sources, targetPort: "sources" },
        ],
      },
    }),
    // With an address, as kubelets don't know the names of Services. The controllers look for it when one begins to lead, so it comes before them.
    service({
      part: "controller",
      namespace,
      name: drainsService,
      spec: { ports: [{ name: "drains", port: ports.drains, targetPort: "drains" }] },
    }),
    deployment(options, {
      part: "controller",
      args: [
        "cluster-control",
        "--domain",
        domain,
        "--lease",
        leaderLease,
        "--image",
        image,
        "--tools-image",
        toolsImage,
        ...(buildRegistry === undefined ? [] : ["--build-registry", buildRegistry]),
        ...(buildRegistrySecret === undefined ? [] : ["--build-registry-secret", buildRegistrySecret]),
        ...(stepMemory === undefined ? [] : ["--step-memory", stepMemory]),
        ...(stepMemoryRequest === undefined ? [] : ["--step-memory-request", stepMemoryRequest]),
        ...(authorities === undefined ? [] : ["--authorities", authorities]),
        ...https.args,
      ],
      annotations: https.annotations,
      ports: [
        { name: "link", containerPort: ports.link },
        { name: "sources", containerPort: ports.sources },
        { name: "drains", containerPort: ports.drains },
      ],
      requests: { cpu: "100m", memory: "256Mi" },
      memory: "1Gi",
      volumes: https.volumes,
      grace: 30,
    }),
    disruptionBudget(options, "controller"),
  ];
}

function gateway(options: InstallOptions): Manifest[] {
  const { namespace } = options;
  const token = { serviceAccountToken: { audience: linkAudience, expirationSeconds: 3600, path: "token" } };
  return [
    deployment(options, {
      part: "gateway",
      args: [
        "cluster-gateway",
        "--controllers",
        `${nameOf("controller")}.${namespace}.svc:${ports.link}`,
        ...gatewayHttps(options).args,
      ],
      ports: [
        { name: "http", containerPort: ports.http },
        { name: "https", containerPort: ports.https },
      ],
      requests: { cpu: "250m", memory: "128Mi" },
      memory: "1Gi",
      volumes: [
        {
          volume: { name: "link-token", projected: { sources: [token] } },
          mountPath: "/var/run/elafros/link",
          readOnly: true,
        },
        // What controllers show to gateways; whoever leads them first makes it.
        {
          volume: { name: "link-ca", configMap: { name: linkCertificate, optional: true } },
          mountPath: "/var/run/elafros/link-ca",
          readOnly: true,
        },
        // The route table that it starts with while no controller answers.
        { volume: { name: "state", emptyDir: { sizeLimit: "256Mi" } }, mountPath: "/var/lib/elafros" },
        ...gatewayHttps(options).volumes,
      ],
      // The image has no shell and no sleep.
      lifecycle: { preStop: { exec: { command: ["node", "--eval", `setTimeout(() => {}, ${settle * 1000})`] } } },
      grace: settle + drain,
    }),
    service({
      part: "gateway",
      namespace,
      spec: {
        type: "LoadBalancer",
        // Clients' addresses stay, and load balancers leave out nodes without a gateway.
        externalTrafficPolicy: "Local",
        ports: [
          { name: "http", port: 80, targetPort: "http" },
          { name: "https", port: 443, targetPort: "https" },
        ],
      },
    }),
    disruptionBudget(options, "gateway"),
  ];
}

function policy(of: { name: string; namespace: string; spec: object }): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: of.name, namespace: of.namespace, labels: { "app.kubernetes.io/part-of": "elafros" } },
    spec: { policyTypes: ["Ingress"], ...of.spec },
  };
}

/** Who may connect: everybody to the gateways, gateways to the controllers' link, the cluster's own Pods to metrics, and nobody else. */
function policies({ namespace }: InstallOptions): Manifest[] {
  const open = (...names: (keyof typeof ports)[]) => names.map((name) => ({ port: ports[name], protocol: "TCP" }));
  const inCluster = { from: [{ namespaceSelector: {} }], ports: open("metrics") };
  return [
    policy({ name: "elafros-deny", namespace, spec: { podSelector: {} } }),
    policy({
      name: nameOf("gateway"),
      namespace,
      spec: {
        podSelector: { matchLabels: selectorOf("gateway") },
        // Kubelets ask for health from addresses that no selector knows.
        ingress: [{ ports: open("http", "https", "health") }, inCluster],
      },
    }),
    policy({
      name: nameOf("controller"),
      namespace,
      spec: {
        podSelector: { matchLabels: selectorOf("controller") },
        ingress: [
          { from: [{ podSelector: { matchLabels: selectorOf("gateway") } }], ports: open("link") },
          // The API server's proxy and kubelets come from addresses that no selector knows.
          { ports: open("sources", "drains", "health") },
          inCluster,
        ],
      },
    }),
  ];
}

/** Where uploads go. */
function uploads({ namespace, buildRegistry }: InstallOptions): Manifest[] {
  if (buildRegistry === undefined) return [];
  const path = `/api/v1/namespaces/${namespace}/services/${doorService}/proxy/sources`;
  const metadata = { name: uploadsConfig, namespace: sharedTemplates, labels: partOf };
  return [{ apiVersion: "v1", kind: "ConfigMap", metadata, data: { path } }];
}

/** Everything of the controllers and gateways but their rights. */
export function parts(options: InstallOptions): Manifest[] {
  return [...uploads(options), ...policies(options), ...controller(options), ...gateway(options)];
}
