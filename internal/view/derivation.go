package view

import "github.com/meshwright/meshwright/internal/mesh"

// Derivations are the values that the engine must keep for this package, in
// the order in which they may read each other.
func Derivations() []mesh.Derivation {
	return []mesh.Derivation{
		{Kind: KindInbound, Compute: workloadInbound},
		{Kind: KindIdentities, Compute: identities},
		{Kind: KindAllMutual, Compute: allMutual},
		{Kind: KindGatewayPods, Compute: gatewayPods},
		{Kind: KindSources, Compute: sources},
		{Kind: mesh.KindScope, Compute: scope},
		{Kind: mesh.KindProblems, For: problemKeys, Compute: problems},
	}
}
