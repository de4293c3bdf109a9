package istio

import (
	"maps"
	"slices"
	"strconv"

	securityv1beta1 "istio.io/api/security/v1beta1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

var mtlsModes = map[securityv1beta1.PeerAuthentication_MutualTLS_Mode]mesh.MTLSMode{
	securityv1beta1.PeerAuthentication_MutualTLS_UNSET:      mesh.MTLSUnset,
	securityv1beta1.PeerAuthentication_MutualTLS_DISABLE:    mesh.MTLSDisable,
	securityv1beta1.PeerAuthentication_MutualTLS_PERMISSIVE: mesh.MTLSPermissive,
	securityv1beta1.PeerAuthentication_MutualTLS_STRICT:     mesh.MTLSStrict,
}

func (r reader) peerAuthentication(at *field.Path, m *securityv1beta1.PeerAuthentication) *mesh.PeerAuthentication {
	out := &mesh.PeerAuthentication{
		Meta:     r.meta,
		Selector: m.GetSelector().GetMatchLabels(),
		Mode:     mtlsModes[m.GetMtls().GetMode()],
	}
	r.labels(at.Child("selector", "matchLabels"), out.Selector)
	if len(out.Selector) == 0 {
		out.Selector = nil
		if len(m.GetPortLevelMtls()) > 0 {
			r.refuse(at.Child("portLevelMtls"), "needs a selector: ports are those of the pods; add selector.matchLabels")
		}
	}
	for _, number := range slices.Sorted(maps.Keys(m.GetPortLevelMtls())) {
		port := r.port(at.Child("portLevelMtls").Key(strconv.FormatUint(uint64(number), 10)), number)
		mode := mtlsModes[m.GetPortLevelMtls()[number].GetMode()]
		out.Ports = append(out.Ports, mesh.PortMTLS{Port: port, Mode: mode})
	}
	return out
}
