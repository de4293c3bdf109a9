package adsclient

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// words says a list of requests in one line each, without nonces.
func words(requests []*discoveryv3.DeltaDiscoveryRequest) []string {
	var out []string
	for _, r := range requests {
		word := resource.TypeURL(r.GetTypeUrl()).Short()
		if r.GetNode() != nil {
			word += " node"
		}
		if r.GetResponseNonce() != "" {
			word += " answers"
		}
		if r.GetErrorDetail() != nil {
			word += " NACK"
		}
		for _, n := range r.GetResourceNamesSubscribe() {
			word += " +" + n
		}
		for _, n := range r.GetResourceNamesUnsubscribe() {
			word += " -" + n
		}
		var versions []string
		for n, v := range r.GetInitialResourceVersions() {
			versions = append(versions, " "+n+"="+v)
		}
		slices.Sort(versions)
		out = append(out, word+strings.Join(versions, ""))
	}
	return out
}

// proxy is a client that has notes of its faults.
func proxy() (*Client, *[]string) {
	var faults []string
	c := New(&corev3.Node{Id: "sidecar~10.0.0.1~a.shop~shop.svc.cluster.local"})
	c.Fault = func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	return c, &faults
}

// full is a client that holds one of everything, on its first stream.
func full(t *testing.T) (*Client, *[]string) {
	t.Helper()
	c, faults := proxy()
	c.Connect()
	for _, r := range []*discoveryv3.DeltaDiscoveryResponse{
		response(t, resource.Cluster, "1", eds("back", time.Second)),
		response(t, resource.Endpoints, "1", assignment()),
		response(t, resource.Listener, "1", listener(t, "0.0.0.0_8080", "8080", "kubernetes://cert")),
		response(t, resource.Route, "1", routes("8080")),
		response(t, resource.VirtualHost, "1", host("8080/back", "back", "back")),
		response(t, resource.Secret, "1", named{"kubernetes://cert", &corev3.Node{}}),
	} {
		c.Receive(r)
	}
	if len(*faults) > 0 || !c.Settled() {
		t.Fatalf("the start is not sound: settled %t, faults %v", c.Settled(), *faults)
	}
	return c, faults
}

func TestClientAsksInTheOrderOfEnvoy(t *testing.T) {
	c, faults := proxy()
	steps := []struct {
		what string
		do   func() []*discoveryv3.DeltaDiscoveryRequest
		want []string
	}{
		{"connects", c.Connect, []string{"Cluster node"}},
		{"clusters: asks for their assignments, and for listeners", func() []*discoveryv3.DeltaDiscoveryRequest {
			return c.Receive(response(t, resource.Cluster, "1", eds("a", time.Second), eds("b", time.Second)))
		}, []string{"Cluster answers", "ClusterLoadAssignment +a +b", "Listener"}},
		{"listeners: asks for routes and secrets", func() []*discoveryv3.DeltaDiscoveryRequest {
			return c.Receive(response(t, resource.Listener, "2", listener(t, "l", "8080", "kubernetes://cert"), listener(t, "m", "8080", "default")))
		}, []string{"Listener answers", "RouteConfiguration +8080", "Secret +kubernetes://cert"}},
		{"routes by VHDS: asks for virtual hosts once, with no name", func() []*discoveryv3.DeltaDiscoveryRequest {
			return c.Receive(response(t, resource.Route, "3", routes("8080")))
		}, []string{"RouteConfiguration answers", "VirtualHost"}},
		{"another listener: virtual hosts are not asked for again", func() []*discoveryv3.DeltaDiscoveryRequest {
			out := c.Receive(response(t, resource.Listener, "4", listener(t, "n", "9090", "")))
			return append(out, c.Receive(response(t, resource.Route, "5", routes("9090")))...)
		}, []string{"Listener answers", "RouteConfiguration +9090", "RouteConfiguration answers"}},
		{"a changed cluster: its assignment is not asked for again", func() []*discoveryv3.DeltaDiscoveryRequest {
			return c.Receive(response(t, resource.Cluster, "6", eds("a", 2*time.Second)))
		}, []string{"Cluster answers"}},
		{"a cluster that goes and comes: its assignment is asked for anew", func() []*discoveryv3.DeltaDiscoveryRequest {
			out := c.Receive(removal(resource.Cluster, "a"))
			return append(out, c.Receive(response(t, resource.Cluster, "7", eds("a", time.Second)))...)
		}, []string{"Cluster answers", "ClusterLoadAssignment -a", "Cluster answers", "ClusterLoadAssignment +a"}},
		{"a listener that goes: its routes are let go", func() []*discoveryv3.DeltaDiscoveryRequest {
			return c.Receive(removal(resource.Listener, "n"))
		}, []string{"Listener answers", "RouteConfiguration -9090"}},
		{"on demand: a name is asked for once", func() []*discoveryv3.DeltaDiscoveryRequest {
			return append(c.Ask(resource.VirtualHost, "8080/cold"), c.Ask(resource.VirtualHost, "8080/cold")...)
		}, []string{"VirtualHost +8080/cold"}},
	}
	for _, step := range steps {
		if diff := cmp.Diff(step.want, words(step.do())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
	if len(*faults) > 0 {
		t.Errorf("faults of a server that made none: %v", *faults)
	}
}

func TestClientResumesWithVersions(t *testing.T) {
	c, _ := full(t)
	c.Ask(resource.VirtualHost, "8080/cold")
	want := []string{
		"Cluster node back=v1",
		"ClusterLoadAssignment +back back=v1",
		"Listener 0.0.0.0_8080=v1",
		"RouteConfiguration +8080 8080=v1",
		"VirtualHost +* +8080/cold 8080/back=v1",
		"Secret +kubernetes://cert kubernetes://cert=v1",
	}
	if diff := cmp.Diff(want, words(c.Connect())); diff != "" {
		t.Errorf("the requests of the second stream (-want +got):\n%s", diff)
	}
}

func TestClientAppliesAsEnvoyDoes(t *testing.T) {
	tests := map[string]struct {
		reject   string // a name that is refused
		response func(*testing.T) []*discoveryv3.DeltaDiscoveryResponse
		of       resource.TypeURL
		want     []string // what is held of it then
		nack     bool
	}{
		"the good part of a rejected response is in force": {"bad", func(t *testing.T) []*discoveryv3.DeltaDiscoveryResponse {
			return []*discoveryv3.DeltaDiscoveryResponse{response(t, resource.Cluster, "2", eds("bad", time.Second), eds("good", time.Second))}
		}, resource.Cluster, []string{"back", "good"}, true},
		"a bad virtual host rejects all of its response": {"8080/bad", func(t *testing.T) []*discoveryv3.DeltaDiscoveryResponse {
			return []*discoveryv3.DeltaDiscoveryResponse{response(t, resource.VirtualHost, "2", host("8080/bad", "bad", "back"), host("8080/good", "good", "back"))}
		}, resource.VirtualHost, []string{"8080/back"}, true},
		"a domain that moves within one response is taken": {"", func(t *testing.T) []*discoveryv3.DeltaDiscoveryResponse {
			r := response(t, resource.VirtualHost, "2", host("8080/new", "back", "back"))
			r.RemovedResources = []string{"8080/back"}
			return []*discoveryv3.DeltaDiscoveryResponse{r}
		}, resource.VirtualHost, []string{"8080/new"}, false},
		"a virtual host whose route configuration is not there is ignored": {"", func(t *testing.T) []*discoveryv3.DeltaDiscoveryResponse {
			return []*discoveryv3.DeltaDiscoveryResponse{
				removal(resource.Listener, "0.0.0.0_8080"),
				response(t, resource.Listener, "2", listener(t, "0.0.0.0_8080", "8080", "")),
				response(t, resource.VirtualHost, "2", host("8080/back", "back", "back")),
			}
		}, resource.VirtualHost, nil, false},
		"virtual hosts go with their route configuration": {"", func(*testing.T) []*discoveryv3.DeltaDiscoveryResponse {
			return []*discoveryv3.DeltaDiscoveryResponse{removal(resource.Listener, "0.0.0.0_8080")}
		}, resource.VirtualHost, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, _ := full(t)
			if test.reject != "" {
				c.Reject = func(_ resource.TypeURL, name string, _ Resource) string {
					if name == test.reject {
						return "refused"
					}
					return ""
				}
			}
			nack := false
			for _, r := range test.response(t) {
				nack = c.Receive(r)[0].GetErrorDetail() != nil
			}
			var held []string
			for n := range c.Holds[test.of] {
				held = append(held, n)
			}
			slices.Sort(held)
			if diff := cmp.Diff(test.want, held); diff != "" {
				t.Errorf("holds (-want +got):\n%s", diff)
			}
			if nack != test.nack {
				t.Errorf("NACK %t, want %t", nack, test.nack)
			}
		})
	}
}

func TestClientSeesWhatAServerDoesWrong(t *testing.T) {
	twice := func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
		return response(t, resource.Cluster, "2", eds("new", time.Second), eds("new", time.Second))
	}
	tests := map[string]struct {
		first, then func(*testing.T) *discoveryv3.DeltaDiscoveryResponse
		ask         string // a virtual host that is asked for before all
		want        string // in the fault; "" for none
	}{
		"a resource twice in a response": {then: twice, want: "Cluster new: twice in one response"},
		"bytes that are held": {then: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.Route, "2", routes("8080"))
		}, want: "RouteConfiguration 8080: sent again"},
		"an assignment that is held, for no reason": {then: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.Endpoints, "2", assignment())
		}, want: "ClusterLoadAssignment back: sent again"},
		"an assignment that is held, after its cluster": {first: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.Cluster, "2", eds("back", 2*time.Second))
		}, then: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.Endpoints, "2", assignment())
		}},
		"a route to no cluster": {then: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.VirtualHost, "2", host("8080/new", "new", "new"))
		}, want: "VirtualHost 8080/new: names cluster new, which is not there"},
		"a cluster removed before its route": {then: func(*testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return removal(resource.Cluster, "back")
		}, want: "Cluster back: removed while 1 resources name it"},
		"a cluster removed after its route": {first: func(*testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return removal(resource.VirtualHost, "8080/back")
		}, then: func(*testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return removal(resource.Cluster, "back")
		}},
		"a domain in two virtual hosts": {then: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.VirtualHost, "2", host("8080/new", "back", "back"))
		}, want: "VirtualHost 8080/new: domain back is also in 8080/back"},
		"a virtual host removed that was asked for": {ask: "8080/cold", first: func(t *testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return response(t, resource.VirtualHost, "2", host("8080/cold", "cold", "back"))
		}, then: func(*testing.T) *discoveryv3.DeltaDiscoveryResponse {
			return removal(resource.VirtualHost, "8080/cold")
		}, want: "VirtualHost 8080/cold: removed although it was asked for"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, faults := full(t)
			if test.ask != "" {
				c.Ask(resource.VirtualHost, test.ask)
			}
			if test.first != nil {
				c.Receive(test.first(t))
			}
			if len(*faults) > 0 {
				t.Fatalf("faults before the step: %v", *faults)
			}
			c.Receive(test.then(t))
			switch {
			case test.want == "" && len(*faults) > 0:
				t.Errorf("faults %v, want none", *faults)
			case test.want != "" && (len(*faults) == 0 || !strings.Contains((*faults)[0], test.want)):
				t.Errorf("faults %v, want %q", *faults, test.want)
			}
		})
	}
}

func TestClientWarmsAClusterUntilItsAssignmentComes(t *testing.T) {
	c, _ := full(t)
	c.Receive(response(t, resource.Cluster, "2", eds("back", 2*time.Second)))
	if !c.Warming["back"] || c.Settled() {
		t.Error("a changed cluster does not wait for its assignment")
	}
	c.Receive(response(t, resource.Endpoints, "2", assignment()))
	if c.Warming["back"] || !c.Settled() {
		t.Error("a cluster waits though its assignment came")
	}
}

func TestAliasAnswersWhatWasAskedFor(t *testing.T) {
	c, faults := full(t)
	c.Ask(resource.VirtualHost, "8080/cold")
	r := response(t, resource.VirtualHost, "2", host("8080/cold.shop", "cold", "back"))
	r.Resources[0].Aliases = []string{"8080/cold"}
	c.Receive(r)
	if !c.Settled() || len(*faults) > 0 {
		t.Errorf("settled %t after the answer by alias, faults %v", c.Settled(), *faults)
	}
}
