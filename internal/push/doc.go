// Package push decides which proxy is sent what, and when. Changes of mesh
// values and requests of proxies come in, pushes of encoded resources go out;
// what a resource means it never knows.
//
// How it works: every resource is built by a pure function whose reads are
// recorded. The questions that it asked about the proxy form a small tree per
// resource name; proxies that answer alike share the leaf, and proxies that
// agree on every fact that a type's trees mention are one class, which shares
// one list of leaves. A turn applies changes, rebuilds the leaves that read
// what changed, and marks names as dirty on the streams of the classes whose
// bytes became others. A stream holds dirty names and never bytes, so a slow
// proxy costs nothing and is sent only the newest.
//
// Guarantees:
//   - one goroutine, Run, owns all state; no lock is held while building;
//   - bytes that a proxy holds are not sent to it again, but an endpoint
//     assignment after its cluster (Envoy needs it) and what it asks for anew;
//   - a push holds all types at one state of the mesh;
//   - what a resource names is sent before it, and removed after it.
package push
