package view

import (
	"reflect"
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/spiffe"
)

// KindIdentities is the derived kind that holds who may answer for a service.
// Its keys are Identities/namespace/service, its values *Identities.
const KindIdentities mesh.Kind = "Identities"

// Identities are the SPIFFE IDs of the pods behind a service, sorted. They stay
// equal while pods of the same ServiceAccounts come and go.
type Identities struct {
	List []string
}

// Equal implements mesh.Value.
func (i *Identities) Equal(o mesh.Value) bool { return reflect.DeepEqual(mesh.Value(i), o) }

// IdentitiesOf are the SPIFFE IDs of a service, nil if no pod of the mesh is
// behind it.
func IdentitiesOf(l mesh.Lookup, s *mesh.Service) []string {
	if i, ok := l.Get(mesh.Key{Kind: KindIdentities, Namespace: s.Namespace, Name: s.Name}).(*Identities); ok {
		return i.List
	}
	return nil
}

// identities computes KindIdentities. Pods that are not ready count: they will
// be, and the cluster shall not change then.
func identities(l mesh.Lookup, k mesh.Key) mesh.Value {
	var list []string
	domain := Config(l).TrustDomain
	for _, key := range l.List(slicesOfService(k.Namespace, k.Name)) {
		slice, ok := l.Get(key).(*mesh.EndpointSlice)
		if !ok {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Workload == (mesh.Key{}) {
				continue
			}
			if w, ok := l.Get(e.Workload).(*mesh.Workload); ok && w.Meshed {
				list = append(list, spiffe.ID{TrustDomain: domain, Namespace: w.Namespace, ServiceAccount: w.ServiceAccount}.String())
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return &Identities{List: slices.Compact(list)}
}
