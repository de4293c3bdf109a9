// Package inject works out what a pod needs to be in the mesh. A pod and a
// Config come in; a JSON patch goes out. It is pure: it never sees a cluster, a
// clock or the environment, so the webhook, `meshwright inject` and an
// admission policy can give equal output.
//
// Guarantees:
//   - A pod that is injected already, or must not be, gets an empty patch.
//   - The patch is constant for a Config, but for the probes, the hooks, the
//     resources and a few labels. What else depends on the pod, its agent works out.
//   - Nothing that the user wrote is changed, but the probes of the containers
//     and the Prometheus annotations. Containers without a preStop hook get one.
package inject
