package push

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/mesh"
)

// sent is what a proxy was sent since the last call, as lines without nonces.
func (s *sim) sent() (out []string) {
	for _, line := range s.trace {
		if rest, ok := strings.CutPrefix(line, "<- "); ok {
			typ, rest, _ := strings.Cut(rest, " ")
			_, names, _ := strings.Cut(rest, " ")
			out = append(out, typ+" "+names)
		}
	}
	s.trace = nil
	return out
}

func scopeService(namespace, name string, port int32) mesh.Change {
	return mesh.Change{
		Key: mesh.Key{Kind: mesh.KindService, Namespace: namespace, Name: name},
		Value: &mesh.Service{
			Namespace: namespace, Name: name, Hostname: name + "." + namespace + ".svc." + genDomain, ExternalName: "example.com",
			Ports: []mesh.ServicePort{{Name: "http", Number: port, Protocol: mesh.ProtocolHTTP}},
		},
	}
}

func scopeSidecar(app string, egress ...mesh.Egress) mesh.Change {
	m := mesh.Meta{Namespace: "a", Name: "s"}
	return mesh.Change{
		Key:   mesh.Key{Kind: mesh.KindSidecar, Namespace: m.Namespace, Name: m.Name},
		Value: &mesh.Sidecar{Meta: m, Selector: map[string]string{"app": app}, Egress: egress},
	}
}

// TestASidecarCostsWhatItChanges: of two proxies of a namespace one is selected.
func TestASidecarCostsWhatItChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, realRoom)
	w.put(scopeService("a", "x", 8080), scopeService("b", "y", 9090))
	selected := w.join(mesh.Proxy{ID: "selected", Type: mesh.ProxySidecar, Namespace: "a", Labels: map[string]string{"app": "x"}})
	other := w.join(mesh.Proxy{ID: "other", Type: mesh.ProxySidecar, Namespace: "a", Labels: map[string]string{"app": "y"}})
	w.pump()
	selected.sent()
	other.sent()
	x, y := "x.a.svc."+genDomain, "y.b.svc."+genDomain
	own := mesh.Egress{Namespace: ".", Host: "*"}
	for _, step := range []struct {
		what   string
		change mesh.Change
		want   []string
		other  []string
	}{
		{"a Sidecar for nobody", scopeSidecar("none", own), nil, nil},
		{"one for the first", scopeSidecar("x", own), []string{
			"Listener [] -[0.0.0.0_9090]", "Cluster [] -[outbound|9090||" + y + "]",
		}, nil},
		{"the same in other words", scopeSidecar("x", mesh.Egress{Namespace: "a", Host: "*"}), nil, nil},
		{"a Service out of its scope", scopeService("b", "z", 8080), nil, []string{
			"Cluster [outbound|8080||z.b.svc." + genDomain + "] -[]", "VirtualHost [8080/z.b.svc." + genDomain + ":8080] -[]",
		}},
		{"a Service in its scope", scopeService("a", "w", 8080), []string{
			"Cluster [outbound|8080||w.a.svc." + genDomain + "] -[]", "VirtualHost [8080/w.a.svc." + genDomain + ":8080] -[]",
		}, []string{
			"Cluster [outbound|8080||w.a.svc." + genDomain + "] -[]", "VirtualHost [8080/w.a.svc." + genDomain + ":8080] -[]",
		}},
		{"a host less", scopeSidecar("x", own, mesh.Egress{Namespace: "*", Host: x, Exclude: true}), []string{
			"VirtualHost [] -[8080/" + x + ":8080]", "Cluster [] -[outbound|8080||" + x + "]",
		}, nil},
		{"nothing but y", scopeSidecar("x", mesh.Egress{Namespace: "b", Host: y}), []string{
			"Cluster [outbound|9090||" + y + "] -[]", "Listener [0.0.0.0_9090] -[0.0.0.0_8080]", "RouteConfiguration [9090] -[]",
			"VirtualHost [9090/*:9090 9090/" + y + ":9090] -[]", "Cluster [] -[outbound|8080||w.a.svc." + genDomain + "]",
		}, nil},
	} {
		w.put(step.change)
		w.pump()
		w.compare()
		if diff := cmp.Diff(step.want, selected.sent()); diff != "" {
			t.Errorf("%s: sent (-want +got):\n%s", step.what, diff)
		}
		if diff := cmp.Diff(step.other, other.sent()); diff != "" {
			t.Errorf("%s: sent to the other (-want +got):\n%s", step.what, diff)
		}
	}
}
