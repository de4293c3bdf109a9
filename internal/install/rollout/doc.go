// Package rollout decides how a canary goes on: which namespaces belong to the
// new revision at a step, what its gates say, when a step has passed or failed,
// and which workloads are restarted. In come the wish (spec.update), the state
// that was stored last, and what was measured; out go the next state and what is
// to be told. It is pure: the clock is given, and nothing is read or written.
package rollout
