//go:build upgrades

package plan

import "slices"

// Carried has two versions more than a release, made from the same tree, so
// that tests can update for real. The discovery of v0.2.1 sends each proxy a
// cluster that Envoy refuses.
var Carried = slices.Concat(released, Catalogue{
	{Version: "v0.2.0", chart: "mesh/v0.1.0", updatesFrom: "v0.1.0", oldestKubernetes: 33},
	{Version: "v0.2.1", chart: "mesh/v0.1.0", updatesFrom: "v0.1.0", oldestKubernetes: 33},
})
