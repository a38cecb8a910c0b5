/** Commands of kubectl, and requests that many of them begin with, that the servers answer otherwise than the recorded one, and why. */
import type { Allowed } from "./unexpected.ts";

const fewer = "fewer kinds are served";
const noStreams = "there is no exec, attach and port-forward";

/** Both have the same API machinery. */
const shared: Allowed = {
  "GET /openapi/v2": "there is OpenAPI v3, which is enough for kubectl since 1.26",
  "GET /apis/apiregistration.k8s.io/v1": fewer,
  "GET /apis/events.k8s.io/v1": fewer,
  "GET /apis/flowcontrol.apiserver.k8s.io/v1beta2": fewer,
  "GET /apis/node.k8s.io/v1": fewer,
  "GET /apis/scheduling.k8s.io/v1": fewer,
  "kubectl auth whoami": "who one is can be asked, as in later versions",
};

const strategic = "strategic merge, which an untyped patch is, works for every kind here";
const noApply = "there is no server-side apply";

export const kubectlDifferences: { embedded: Allowed; simulated: Allowed } = {
  embedded: {
    ...shared,
    "GET /apis/discovery.k8s.io/v1": fewer,
    "GET /apis/networking.k8s.io/v1": fewer,
    "kubectl apply -f -: unknown (wrong-case) field": "names that differ in case only are taken here",
    "kubectl apply --server-side -f -: server-side, first": noApply,
    "kubectl apply --server-side -f -: server-side, second": noApply,
    "kubectl apply --server-side --field-manager=other -f -: server-side, conflict": noApply,
    'kubectl patch route kc -n kubectl --type=strategic -p {"metadata":{"labels":{"x":"1"}}}: strategic on a custom resource':
      strategic,
    'kubectl patch route kc -n kubectl -p {"metadata":{"labels":{"x":"1"}}}: default type is strategic': strategic,
    "kubectl cluster-info": "there are no Services",
    "kubectl get events -n kubectl": "nothing runs of which Events tell",
  },
  simulated: {
    ...shared,
    "kubectl apply -f -: unknown (wrong-case) field": "who owns which field is kept, but not shown as managedFields",
    "kubectl get all -n kubectl: category all; the CRD is in it": fewer,
    "kubectl get events -n kubectl": "each row begins with a name, and what happened in one second comes in any order",
    "kubectl exec app -n kubectl -- /hello get http://127.0.0.1:8080/": noStreams,
    "kubectl exec -i app -n kubectl -- /hello get http://127.0.0.1:8080/": noStreams,
    "kubectl exec app -n kubectl -- /nope": noStreams,
    "kubectl exec app -n kubectl -c absent -- /hello": noStreams,
    "kubectl attach app -n kubectl": noStreams,
    "kubectl cp app:/etc x -n kubectl": noStreams,
    "kubectl port-forward pod/app 18080:8080 -n kubectl": noStreams,
  },
};
