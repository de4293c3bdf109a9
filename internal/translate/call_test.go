package translate_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/test/golden"
	"github.com/meshwright/meshwright/internal/test/meshtest"
	"github.com/meshwright/meshwright/internal/translate"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// TestCalls says where requests go in the mesh of testdata/shop.yaml.
func TestCalls(t *testing.T) {
	t.Parallel()
	m := meshtest.ReadText(t, readFile(t, "testdata/shop.yaml"))
	plain := mesh.Proxy{Type: mesh.ProxySidecar, Namespace: "legacy", Pod: "plain"}
	const (
		toFront = "outbound|8080||front.shop.svc.cluster.local"
		split   = "outbound|8080|v1|back.shop.svc.cluster.local or outbound|8080|v2|back.shop.svc.cluster.local"
		passes  = "PassthroughCluster"
	)
	for name, tc := range map[string]struct {
		from  mesh.Proxy
		route string
		url   string
		want  string
	}{
		"a short name in the own namespace":        {front, "8080", "http://front:8080/", toFront},
		"a short name in another namespace":        {plain, "8080", "http://front:8080/", passes},
		"a name with its namespace":                {plain, "8080", "http://front.shop:8080/", toFront},
		"a name with svc":                          {plain, "8080", "http://front.shop.svc/", toFront},
		"an address":                               {plain, "8080", "http://10.96.0.10:8080/", toFront},
		"a path of a VirtualService":               {front, "8080", "http://back:8080/admin", toFront},
		"the rest of a VirtualService":             {front, "8080", "http://back:8080/", split},
		"a VirtualService seen from elsewhere":     {plain, "8080", "http://back.shop:8080/x", split},
		"a name that nobody has":                   {front, "8080", "http://example.com:8080/", passes},
		"a pod of a headless service":              {front, "8081", "http://web-0.web.shop.svc.cluster.local:8081/", "outbound|8081||web.shop.svc.cluster.local"},
		"an external name":                         {front, "80", "http://search/", "outbound|80||search.shop.svc.cluster.local"},
		"a gateway's host":                         {router, "http.8080", "http://front.example.com/", toFront},
		"another host at the gateway":              {router, "http.8080", "http://example.com/", "404"},
		"a gateway does not route for sidecars":    {router, "8080", "http://front:8080/", "404"},
		"a sidecar does not route for the gateway": {front, "http.8080", "http://front.example.com/", "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Resources(t, tc.from).Call(tc.route, request); got != tc.want {
				t.Errorf("goes to %q, want %q", got, tc.want)
			}
		})
	}
}

// TestOrderOfObjectsDoesNotMatter builds everything from the same objects in
// other orders.
func TestOrderOfObjectsDoesNotMatter(t *testing.T) {
	t.Parallel()
	docs := golden.Documents([]byte(readFile(t, "testdata/shop.yaml")))
	bytes := func() map[string]string {
		out := map[string]string{}
		m := meshtest.Read(t, docs)
		for _, p := range []mesh.Proxy{front, router, {Type: mesh.ProxySidecar, Namespace: "shop", Pod: "db-0"}} {
			resources := m.Resources(t, p)
			for _, kind := range translate.Types() {
				for name, msg := range resources[kind.URL] {
					text, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
					if err != nil {
						t.Fatal(err)
					}
					out[p.Pod+" "+string(kind.URL)+" "+name] = string(text)
				}
			}
		}
		return out
	}
	want := bytes()
	for seed := range uint64(5) {
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		if diff := cmp.Diff(want, bytes()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// TestQuestionsAreNarrow counts what is asked about a proxy: each answer that
// differs is a copy of the resource.
func TestQuestionsAreNarrow(t *testing.T) {
	t.Parallel()
	m := meshtest.ReadText(t, readFile(t, "testdata/shop.yaml"))
	const isRouter = "{type } [router]"
	for name, tc := range map[string]struct {
		kind resource.TypeURL
		name string
		want []string
	}{
		"a cluster without rules":              {resource.Cluster, "outbound|8080||front.shop.svc.cluster.local", nil},
		"a cluster with a rule":                {resource.Cluster, "outbound|8080||back.shop.svc.cluster.local", nil},
		"an inbound cluster":                   {resource.Cluster, "inbound|8080||", []string{isRouter, "{port 8080} [auto http http2 server-first tcp tls]"}},
		"an assignment without rules":          {resource.Endpoints, "outbound|3306||db.shop.svc.cluster.local", nil},
		"an assignment with outlier detection": {resource.Endpoints, "outbound|8080||back.shop.svc.cluster.local", []string{"{locality }"}},
		"the shared listener":                  {resource.Listener, "0.0.0.0_8080", []string{isRouter}},
		"the listener of an address":           {resource.Listener, "10.96.0.42_3306", []string{isRouter}},
		"the inbound listener":                 {resource.Listener, "virtualInbound", []string{isRouter, "{served }"}},
		"a route configuration":                {resource.Route, "8080", nil},
		"a virtual host":                       {resource.VirtualHost, "8080/front.shop.svc.cluster.local:8080", []string{isRouter, "{namespace } [shop]"}},
		"the catch-all":                        {resource.VirtualHost, "8080/*:8080", []string{isRouter, "{outbound } [AllowAny RegistryOnly]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := m.For(front)
			for _, kind := range translate.Types() {
				if kind.URL == tc.kind && kind.Build(reader, tc.name).Msg == nil {
					t.Fatal("front does not have it")
				}
			}
			want := map[string]bool{}
			for _, q := range tc.want {
				want[q] = true
			}
			got := map[string]bool{}
			for q := range reader.Asked {
				got[q] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("questions (-want +got):\n%s", diff)
			}
		})
	}
}
