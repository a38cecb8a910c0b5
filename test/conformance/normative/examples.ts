/**
 * The requests and answers of the normative examples, as they stand there, with the indentation restored.
 */

export const api = "/apis/elafros.dev/v1alpha1/namespaces/default";

/** Scenario 2: creating a Route and deploying the first Revision. */
export const second = {
  postRoute: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
spec:
  rollout:
    traffic:
    - configurationName: my-service # named reference to Configuration
      percent: 100 # automatically activate new Revisions from the configuration
`,
  postConfiguration: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service # By convention (not req'd), same name as the service.
                   # This will also be set as the "elafros.dev/configuration"
                   # label on the created Revision.
spec:
  revisionTemplate: # template for building Revision
    metadata: ...
    spec:
      container: # k8s core.v1.Container
        image: gcr.io/...
        env:
        - name: FOO
          value: bar
        - name: HELLO
          value: world
        ...
`,
  revisionStarting: `apiVersion: elafros.dev/v1alpha1
kind: Revision
metadata:
  name: abc # generated name
  labels:
    # name and generation of the configuration that created the revision
    elafros.dev/configuration: my-service
  annotations:
    elafros.dev/configurationGeneration: 1234
  ... # uid, resourceVersion, creationTimestamp, generation, selfLink, etc
spec:
  ... # spec from the configuration
status:
  conditions:
  - type: Ready
    status: False
    message: "Starting Instances"
`,
  configurationCreated: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service
  generation: 1234
  ... # uid, resourceVersion, creationTimestamp, selfLink, etc
spec:
  ... # same as before
status:
  # latest created revision, may not have materialized yet
  latestCreatedRevisionName: abc
  observedGeneration: 1234
`,
  configurationReady: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service
  generation: 1234
  ...
spec:
  ... # same as before
status:
  # the latest created and ready to serve. Watched by service
  latestReadyRevisionName: abc
  # latest created revision
  latestCreatedRevisionName: abc
  observedGeneration: 1234
`,
  route: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
  generation: 2145
  ...
spec:
  rollout:
    traffic:
    - configurationName: my-service
      percent: 100
status:
  domain: my-service.default.mydomain.com
  traffic: # in status, all configurationName refs are dereferenced to latest revision
  - revisionName: abc # latestReadyRevisionName from configurationName in spec
    percent: 100
  conditions:
  - type: RolloutComplete
    status: True
  observedGeneration: 2145
`,
};

/** Scenario 1: a new image, rolled out by itself. */
export const first = {
  patchConfiguration: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service # by convention, same name as the service
spec:
  revisionTemplate: # template for building Revision
    spec:
      container:
        image: gcr.io/... # new image
`,
  configuration: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service
  generation: 1235
  ...
spec:
  ... # same as before, except new container.image
status:
  latestReadyRevisionName: abc
  latestCreatedRevisionName: def # new revision created, but not ready yet
  observedGeneration: 1235
`,
  revision: `apiVersion: elafros.dev/v1alpha1
kind: Revision
metadata:
  name: def
  labels:
    elafros.dev/configuration: my-service
  annotations:
    elafros.dev/configurationGeneration: 1235
  ...
spec:
  container: # k8s core.v1.Container
    image: gcr.io/... # new container
    # same config as previous revision
    env:
    - name: FOO
      value: bar
    - name: HELLO
      value: blurg
  ...
status:
  conditions:
  - type: Ready
    status: True
`,
  routeShifting: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
  ...
spec:
  rollout:
    traffic:
    - configurationName: my-service
      percent: 100
status:
  # domain:
  # oss: my-service.namespace.mydomain.com
  domain: my-service.namespace.mydomain.com
  # percentages add to 100
  traffic: # in status, all configurationName refs are dereferenced
  - revisionName: abc
    percent: 75
  - revisionName: def
    percent: 25
  conditions:
  - type: RolloutComplete
    status: False
`,
  routeShifted: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
  ...
spec:
  rollout:
    traffic:
    - configurationName: my-service
      percent: 100
status:
  domain: my-service.default.mydomain.com
  traffic:
  - revisionName: def
    percent: 100
  conditions:
  - type: RolloutComplete
    status: True
  ...
`,
};

/** Scenario 3: a changed env value, rolled out by hand. */
export const third = {
  pin: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
spec:
  rollout:
    traffic:
    - revisionName: def # pin a specific revision, i.e. the current one
      percent: 100
`,
  patchEnv: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service
spec:
  revisionTemplate:
    spec:
      container:
        env: # k8s-style strategic merge patch, updating a single list value
        - name: HELLO
          value: blurg # changed value
`,
  revision: `apiVersion: elafros.dev/v1alpha1
kind: Revision
metadata:
  name: ghi
  ...
spec:
  container:
    image: gcr.io/... # same container as previous revision abc
    env:
    - name: FOO
      value: bar
    - name: HELLO
      value: blurg # changed value
  ...
status:
  conditions:
  - type: Ready
    status: True
`,
  address: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
spec:
  rollout:
    traffic:
    - revisionName: def
      name: current # addressable as current.my-service.default.mydomain.com
      percent: 100
    - revisionName: ghi
      name: next # addressable as next.my-service.default.mydomain.com
      percent: 0 # no traffic yet
`,
  addressed: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
  ...
spec:
  ... # unchanged
status:
  domain: my-service.default.mydomain.com
  traffic:
  - revisionName: def
    name: current # addressable as current.my-service.default.mydomain.com
    percent: 100
  - revisionName: ghi
    name: next # addressable as next.my-service.default.mydomain.com
    percent: 0
  conditions:
  - type: RolloutComplete
    status: True
  ...
`,
  shift: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
spec:
  rollout:
    Traffic: # percentages must total 100%
    - revisionName: def
      name: current
      percent: 0
    - revisionName: ghi
      name: next
      percent: 100 # migrate traffic fully to the next revision
`,
  shifted: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
  ...
spec:
  ... # unchanged
status:
  domain: my-service.default.mydomain.com
  traffic:
  - revisionName: def
    name: current
    percent: 0
  - revisionName: ghi
    name: next
    percent: 100
  conditions:
  - type: RolloutComplete
    status: True
  ...
`,
  finish: `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: my-service
spec:
  rollout:
    traffic:
    - revisionName: ghi # update for the next rollout, current = next
      name: current
      percent: 100
    - revisionName: ghi # optional: leave next as also referring to ghi
      name: next
      percent: 0
`,
};

/** Scenario 4: a Revision from source. */
export const fourth = {
  postConfiguration: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-service
spec:
  build: # build.dev/v1alpha1.BuildTemplateSpec
    source:
      # oneof git|gcs|custom:
      git:
        url: https://...
        commit: ...
    template: # defines build template
      name: nodejs_8_9_4 # builder name
      namespace: build-templates
      arguments:
      - name: _IMAGE
        value: gcr.io/... # destination for image
  revisionTemplate: # template for building Revision
    metadata: ...
    spec:
      container: # k8s core.v1.Container
        image: gcr.io/... # Promise of a future build. Same as supplied in
                          # build.template.arguments[_IMAGE]
        env: # Updated environment variables to go live with new source.
        - name: FOO
          value: bar
        - name: HELLO
          value: world
`,
  revision: `apiVersion: elafros.dev/v1alpha1
kind: Revision
metadata:
  name: abc
  labels:
    elafros.dev/configuration: my-service
  annotations:
    elafros.dev/configurationGeneration: 1234
  ...
spec:
  # name of the build.dev/v1alpha1.Build, if built from source.
  # Set by Configuration.
  buildName: ...

  # spec from the configuration, with container.image containing the
  # newly built container
  container: # k8s core.v1.Container
    image: gcr.io/...
    env:
    - name: FOO
      value: bar
    - name: HELLO
      value: world
status:
  # This is a copy of metadata from the container image or grafeas, indicating
  # the provenance of the revision, annotated on the container
  imageSource:
    archive|manifest|repository: ...
    context: ...
  conditions:
  - type: Ready
    status: True
  - type: BuildComplete
    status: True
    # other conditions indicating build failure details, if applicable
`,
};

/** Scenario 5: a function. */
export const fifth = {
  postConfiguration: `apiVersion: elafros.dev/v1alpha1
kind: Configuration
metadata:
  name: my-function
spec:
  build: # build.dev/v1alpha1.BuildTemplateSpec
    source:
      # oneof git|gcs|custom
      git:
        url: https://...
        commit: ...
    template: # defines build template
      name: go_1_9_fn # function builder
      namespace: build-templates
      arguments:
      - name: _IMAGE
        value: gcr.io/... # destination for image
      - name: _ENTRY_POINT
        value: index # language dependent, function-only entrypoint
  revisionTemplate: # template for building Revision
    metadata:
      labels:
        # One-of "function" or "app", convention for CLI/UI clients to list/select
        elafros.dev/type: "function"
    spec:
      container: # k8s core.v1.Container
        image: gcr.io/... # Promise of a future build. Same as supplied in
                          # build.template.arguments[_IMAGE]
        env:
        - name: FOO
          value: bar
        - name: HELLO
          value: world

      # serializes requests for function. Default value for functions
      concurrencyModel: SingleThreaded
      # max time allowed to respond to request
      timeoutSeconds: 20
`,
};
