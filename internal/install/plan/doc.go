// Package plan turns the spec of a MeshInstall into the objects that the
// cluster shall have, by rendering the chart of its version. It is pure: no
// clock, no cluster, no environment; equal input gives equal bytes, in every
// process. The controller, `meshwright render` and the golden tests use it alike.
//
// A plan has two sets of objects. The revision set is named after a revision
// and hashed into that name; the install set outlives revisions and points at
// one of them. Beside them each revision has a door, by which pods come to have
// its sidecar: its selectors say which namespaces are the revision's, and they
// change while the revision stays.
package plan
