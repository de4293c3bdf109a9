package traffic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/push"
	"github.com/meshwright/meshwright/internal/test/ads"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/test/netpod"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/view"
	"github.com/meshwright/meshwright/internal/xds"
)

// World is a mesh with pods, proxies and cases.
type World struct {
	engine  *push.Engine
	servers *servers
	// clients are the pods with a proxy, by name; addresses what names lead to.
	clients   map[string]*netpod.Pod
	proxies   map[string]*netpod.Proxy
	addresses map[string]string
	pods      []corev1.Pod
	// problems are what is said of each object, as "field: message".
	problems map[mesh.Key][]string
}

// NewWorld runs the pods of a YAML stream, the proxies of those that have one,
// and servers in the others, at port 8080. It holds the objects of the stream and
// of all cases until the test ends.
func NewWorld(t testing.TB, objects []byte, cases []*Case) *World {
	t.Helper()
	w := &World{
		servers: &servers{seen: map[string][]Seen{}}, clients: map[string]*netpod.Pod{}, proxies: map[string]*netpod.Proxy{},
		addresses: map[string]string{}, problems: map[mesh.Key][]string{},
		engine: push.New(push.Config{
			Store: mesh.NewStore(view.Indexes()), Derivations: view.Derivations(), FactsOf: view.FactsOf, Types: translate.Types(),
			Strict: true, Log: logr.Discard(),
		}),
	}
	go w.engine.Run(t.Context()) //nolint:errcheck // ends with the test
	documents := golden.Documents(objects)
	for _, doc := range documents {
		var pod corev1.Pod
		if err := yaml.Unmarshal(doc, &pod); err != nil {
			t.Fatal(err)
		}
		if pod.Kind == "Pod" {
			w.pods = append(w.pods, pod)
		}
	}
	for i, c := range cases {
		documents = append(documents, services(c.id, i+1)...)
		for _, o := range c.Objects {
			documents = append(documents, o)
		}
	}
	w.apply(t, documents)
	w.engine.Synced()
	w.start(t)
	return w
}

// services are those that each case has.
func services(id string, n int) [][]byte {
	var out [][]byte
	for i, app := range []string{"server", "alt"} {
		name := id
		if app == "alt" {
			name += "-alt"
		}
		out = append(out, fmt.Appendf(nil, `{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: shop},
spec: {clusterIP: 10.96.%d.%d, selector: {app: %s}, ports: [{name: http, port: 80, targetPort: 8080}]}}`, name, n, i+1, app))
	}
	return out
}

// apply gives the engine objects, and the endpoints that their Services have.
func (w *World) apply(t testing.TB, documents [][]byte) {
	t.Helper()
	for _, doc := range documents {
		var s corev1.Service
		if err := yaml.Unmarshal(doc, &s); err == nil && s.Kind == "Service" && s.APIVersion == "v1" {
			documents = append(documents, w.slice(t, &s))
			for _, name := range []string{s.Name, s.Name + "." + s.Namespace, s.Name + "." + s.Namespace + ".svc." + meshtest.Domain} {
				w.addresses[name] = s.Spec.ClusterIP
			}
		}
	}
	m := meshtest.Read(t, documents)
	for _, p := range slices.Concat(m.Problems, m.DerivedProblems()) {
		w.problems[p.Object] = append(w.problems[p.Object], p.Field+": "+p.Message)
	}
	w.engine.Apply(m.Changes())
}

// slice is what Kubernetes would make of a Service.
func (w *World) slice(t testing.TB, s *corev1.Service) []byte {
	t.Helper()
	out := discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  metav1.ObjectMeta{Name: s.Name + "-x", Namespace: s.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: s.Name}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, p := range s.Spec.Ports {
		target := p.TargetPort.IntVal
		if target == 0 {
			target = p.Port
		}
		out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: ptr.To(p.Name), Port: ptr.To(target)})
	}
	for i := range w.pods {
		pod := &w.pods[i]
		if pod.Namespace == s.Namespace && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{pod.Status.PodIP}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod.Name, Namespace: pod.Namespace},
			})
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// start runs the pods.
func (w *World) start(t testing.TB) {
	t.Helper()
	server := grpc.NewServer(xds.Options()...)
	xds.New(xds.Config{Engine: w.engine, Log: logr.Discard()}).Register(server)
	t.Cleanup(server.Stop)
	var ips []string
	for _, pod := range w.pods {
		ips = append(ips, pod.Status.PodIP)
	}
	nets := netpod.Network(t, ips...)
	for i, pod := range w.pods {
		if pod.Spec.Containers[0].Name != "istio-proxy" {
			w.servers.run(t, nets[i], pod.Name, 8080)
			continue
		}
		folder := netpod.Folder(t)
		control, sds := filepath.Join(folder, "xds"), filepath.Join(folder, "sds")
		l, err := net.Listen("unix", control) //nolint:noctx // no name to look up
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(l) //nolint:errcheck // ends with the test
		ads.Serve(t, nil, ads.NewSVID(t, pod.Namespace, pod.Spec.ServiceAccountName)).Unix(t, sds)
		id := fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.%s", pod.Status.PodIP, pod.Name, pod.Namespace, pod.Namespace, meshtest.Domain)
		w.clients[pod.Name] = nets[i]
		w.proxies[pod.Name] = nets[i].Capture(t, folder, ads.Bootstrap(id, control, sds), true)
	}
}

// Check fails if a proxy ever refused anything.
func (w *World) Check(t testing.TB) {
	t.Helper()
	for name, proxy := range w.proxies {
		for line := range bytes.Lines(proxy.Admin(t, "/stats?usedonly&filter=update_rejected$")) {
			if !bytes.HasSuffix(bytes.TrimSpace(line), []byte(": 0")) {
				t.Errorf("Envoy of %s: %s", name, line)
			}
		}
	}
	for _, state := range w.engine.Proxies(t.Context()) {
		if !state.InSync {
			t.Errorf("%s is not in sync: %+v", state.ID, state)
		}
	}
}

// known is what is said of the objects of a case.
func (w *World) known(t testing.TB, c *Case) []string {
	t.Helper()
	var out []string
	for _, raw := range c.Objects {
		object, err := ingest.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		result, _ := ingest.Object(meshtest.Domain, object)
		out = append(out, w.problems[result.Key]...)
	}
	return out
}

// eventually tries until a check has nothing to say.
func eventually(t testing.TB, check func() string) {
	t.Helper()
	const patience = 30 * time.Second
	said := check()
	for end := time.Now().Add(patience); said != "" && time.Now().Before(end); said = check() {
		time.Sleep(20 * time.Millisecond)
	}
	if said != "" {
		t.Error(strings.TrimSpace(said))
	}
}
