package istio

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	securityv1beta1 "istio.io/api/security/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// Object reads one object of Istio's API, of any version. Value is nil if the
// object is refused, if its kind is not served, or if nothing of it has an
// effect. ok is false if the kind is not Istio's. domain is the cluster's DNS
// suffix, by which short host names are completed.
func Object(domain string, u *unstructured.Unstructured) (key mesh.Key, value mesh.Value, list []mesh.Problem, ok bool) {
	kind, ok := KindOf(u.GroupVersionKind().GroupKind())
	if !ok {
		return mesh.Key{}, nil, nil, false
	}
	key = mesh.Key{Kind: mesh.Kind(kind.Kind), Namespace: u.GetNamespace(), Name: u.GetName()}
	p := &problems{object: key}
	if !kind.Served {
		p.add(mesh.Problem{
			Reason: ReasonKindNotServed, Unserved: true,
			Message: fmt.Sprintf("%s is not served by this version: %s", kind.Kind, kind.Consequence),
		})
		return key, nil, p.list, true
	}
	r := reader{problems: p, domain: domain, meta: mesh.Meta{
		Namespace:  u.GetNamespace(),
		Name:       u.GetName(),
		Generation: u.GetGeneration(),
		Created:    u.GetCreationTimestamp().Time,
	}}
	value = r.value(key.Kind, u.Object["spec"])
	if p.refused() {
		value = nil
	}
	return key, value, p.sorted(), true
}

// reader reads one object; what is wrong goes into problems.
type reader struct {
	*problems
	domain string
	meta   mesh.Meta
}

func (r reader) value(kind mesh.Kind, spec any) mesh.Value {
	at := field.NewPath("spec")
	switch kind {
	case mesh.KindVirtualService:
		m := &networkingv1alpha3.VirtualService{}
		if r.decode(at, spec, m, servedVirtualService) {
			if v := r.virtualService(at, m); v != nil {
				return v
			}
		}
	case mesh.KindDestinationRule:
		m := &networkingv1alpha3.DestinationRule{}
		if r.decode(at, spec, m, servedDestinationRule) {
			return r.destinationRule(at, m)
		}
	case mesh.KindGateway:
		m := &networkingv1alpha3.Gateway{}
		if r.decode(at, spec, m, servedGateway) {
			return r.gateway(at, m)
		}
	case mesh.KindSidecar:
		m := &networkingv1alpha3.Sidecar{}
		if r.decode(at, spec, m, servedSidecar) {
			return r.sidecar(at, m)
		}
	case mesh.KindPeerAuthentication:
		m := &securityv1beta1.PeerAuthentication{}
		if r.decode(at, spec, m, servedPeerAuthentication) {
			return r.peerAuthentication(at, m)
		}
	}
	return nil
}

// decode fills m from the JSON form of a spec and names what is not served. It
// returns false if the object is refused already.
func (r reader) decode(at *field.Path, spec any, m proto.Message, table served) bool {
	if spec == nil {
		spec = map[string]any{}
	}
	checkSchema(r.problems, at, spec, m.ProtoReflect().Descriptor())
	if r.refused() {
		return false
	}
	raw, err := json.Marshal(spec)
	if err == nil {
		// The API's own decoder: it knows durations such as 5m.
		err = json.Unmarshal(raw, m)
	}
	if err != nil {
		r.refuse(at, "cannot be read: %v", err)
		return false
	}
	table.report(r.problems, at, m.ProtoReflect())
	return true
}
