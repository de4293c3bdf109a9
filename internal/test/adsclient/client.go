package adsclient

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// Client is one simulated Envoy. It is not safe for concurrent use.
type Client struct {
	Node *corev3.Node
	// Holds is what it has accepted, by type and name.
	Holds map[resource.TypeURL]map[string]Resource
	// Warming are clusters whose assignment was not sent since they changed.
	Warming map[string]bool
	// Reject, if set, makes the client refuse a resource: an answer other than
	// "" is the NACK's text.
	Reject func(t resource.TypeURL, name string, r Resource) string
	// Fault is called where the server broke a rule of the protocol.
	Fault func(format string, args ...any)
	// Stats of what was received.
	Responses, Received, Removed int

	// asked are the names subscribed to on this stream, by type.
	asked map[resource.TypeURL]map[string]bool
	// waits are names that were asked for and not answered yet.
	waits map[resource.TypeURL]map[string]bool
	// opened are the types with a first request on this stream.
	opened map[resource.TypeURL]bool
	// nacked says that a type was rejected once: what it holds of it may be sent
	// again while the server bisects.
	nacked map[resource.TypeURL]bool
}

// New returns a client that holds nothing.
func New(node *corev3.Node) *Client {
	return &Client{
		Node:    node,
		Holds:   map[resource.TypeURL]map[string]Resource{},
		Warming: map[string]bool{},
		Fault:   func(f string, a ...any) { panic(fmt.Sprintf(f, a...)) },
	}
}

// Connect begins a new stream: the first requests, with what is held already.
func (c *Client) Connect() []*discoveryv3.DeltaDiscoveryRequest {
	c.asked = map[resource.TypeURL]map[string]bool{}
	c.waits = map[resource.TypeURL]map[string]bool{}
	c.opened = map[resource.TypeURL]bool{}
	c.nacked = map[resource.TypeURL]bool{}
	out := []*discoveryv3.DeltaDiscoveryRequest{c.open(resource.Cluster, nil)}
	if c.Holds[resource.Cluster] == nil {
		return out
	}
	out = append(out, c.subscribe(resource.Endpoints, c.wantedEndpoints())...)
	out = append(out, c.open(resource.Listener, nil))
	if routes, secrets := c.wantedByListeners(); len(routes)+len(secrets) > 0 {
		out = append(out, c.subscribe(resource.Route, routes)...)
		if c.usesVHDS() {
			out = append(out, c.open(resource.VirtualHost, nil))
		}
		out = append(out, c.subscribe(resource.Secret, secrets)...)
	}
	return out
}

// open is the first request of a type on a stream.
func (c *Client) open(t resource.TypeURL, names []string) *discoveryv3.DeltaDiscoveryRequest {
	c.opened[t] = true
	versions := map[string]string{}
	for name, r := range c.Holds[t] {
		versions[name] = r.Version
	}
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: string(t), ResourceNamesSubscribe: names, InitialResourceVersions: versions}
	if t == resource.Cluster {
		req.Node = c.Node
	}
	return req
}

// subscribe asks for names that are not asked for yet on this stream.
func (c *Client) subscribe(t resource.TypeURL, names []string) []*discoveryv3.DeltaDiscoveryRequest {
	if c.asked[t] == nil {
		c.asked[t], c.waits[t] = map[string]bool{}, map[string]bool{}
	}
	var fresh []string
	for _, n := range names {
		if !c.asked[t][n] {
			c.asked[t][n] = true
			c.waits[t][n] = c.opened[t] || c.Holds[t][n].Version == ""
			fresh = append(fresh, n)
		}
	}
	switch {
	case len(fresh) == 0:
		return nil
	case c.opened[t]:
		return []*discoveryv3.DeltaDiscoveryRequest{{TypeUrl: string(t), ResourceNamesSubscribe: fresh}}
	default:
		return []*discoveryv3.DeltaDiscoveryRequest{c.open(t, fresh)}
	}
}

// unsubscribe lets go of the names that keep does not hold.
func (c *Client) unsubscribe(t resource.TypeURL, keep []string) []*discoveryv3.DeltaDiscoveryRequest {
	var gone []string
	for n := range c.asked[t] {
		if !slices.Contains(keep, n) {
			gone = append(gone, n)
			delete(c.asked[t], n)
			delete(c.waits[t], n)
			delete(c.Holds[t], n)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	return []*discoveryv3.DeltaDiscoveryRequest{{TypeUrl: string(t), ResourceNamesUnsubscribe: gone}}
}

// Receive takes a response and returns what Envoy would say to it.
func (c *Client) Receive(r *discoveryv3.DeltaDiscoveryResponse) []*discoveryv3.DeltaDiscoveryRequest {
	t := resource.TypeURL(r.GetTypeUrl())
	c.Responses++
	answer := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
	first := c.Holds[t] == nil
	if first {
		c.Holds[t] = map[string]Resource{}
	}
	if refused := c.apply(t, r); refused != "" {
		c.nacked[t] = true
		answer.ErrorDetail = &status.Status{Code: 13, Message: refused}
	}
	out := []*discoveryv3.DeltaDiscoveryRequest{answer}
	switch t {
	case resource.Cluster:
		out = append(out, c.unsubscribe(resource.Endpoints, c.wantedEndpoints())...)
		out = append(out, c.subscribe(resource.Endpoints, c.wantedEndpoints())...)
		if first {
			out = append(out, c.open(resource.Listener, nil))
		}
	case resource.Listener:
		out = append(out, c.followListeners()...)
	case resource.Route:
		if c.usesVHDS() && !c.opened[resource.VirtualHost] {
			out = append(out, c.open(resource.VirtualHost, nil))
		}
	}
	return out
}

// followListeners asks for what listeners name, and lets go of what none does.
func (c *Client) followListeners() []*discoveryv3.DeltaDiscoveryRequest {
	routes, secrets := c.wantedByListeners()
	out := c.unsubscribe(resource.Route, routes)
	for name := range c.Holds[resource.VirtualHost] {
		if outer, _, _ := strings.Cut(name, "/"); !slices.Contains(routes, outer) {
			delete(c.Holds[resource.VirtualHost], name)
		}
	}
	out = append(out, c.unsubscribe(resource.Secret, secrets)...)
	out = append(out, c.subscribe(resource.Route, routes)...)
	return append(out, c.subscribe(resource.Secret, secrets)...)
}

// apply puts a response into force. What is rejected stays as it was; one bad
// virtual host rejects all of its response, as Envoy does.
func (c *Client) apply(t resource.TypeURL, r *discoveryv3.DeltaDiscoveryResponse) string {
	before := maps.Clone(c.Holds[t])
	refused := ""
	seen := map[string]bool{}
	for _, res := range r.GetResources() {
		name := res.GetName()
		if seen[name] {
			c.Fault("%s %s: twice in one response", t.Short(), name)
		}
		seen[name] = true
		c.Received++
		if res.GetResource() == nil {
			delete(c.waits[t], name)
			continue
		}
		got := Resource{Version: res.GetVersion(), Body: res.GetResource()}
		c.check(t, name, got)
		if c.Reject != nil {
			if why := c.Reject(t, name, got); why != "" {
				refused = fmt.Sprintf("%s: %s", name, why)
				// The server does not know yet and sends its assignment again.
				for _, assignment := range got.Refs().Endpoints {
					if c.asked[resource.Endpoints][assignment] {
						c.waits[resource.Endpoints][assignment] = true
					}
				}
				continue
			}
		}
		c.hold(t, name, got)
	}
	for _, name := range r.GetRemovedResources() {
		c.Removed++
		c.remove(t, name)
	}
	if refused != "" && t == resource.VirtualHost {
		c.Holds[t] = before
	}
	return refused
}

// check asks that bytes that are held are not sent again.
func (c *Client) check(t resource.TypeURL, name string, got Resource) {
	owed := t == resource.Endpoints && c.warms(name)
	if c.Holds[t][name].Version == got.Version && !c.waits[t][name] && !c.nacked[t] && !owed {
		c.Fault("%s %s: sent again with the version that is held", t.Short(), name)
	}
	delete(c.waits[t], name)
}

// warms reports whether a cluster waits for the assignment.
func (c *Client) warms(assignment string) bool {
	for cluster := range c.Warming {
		if slices.Contains(c.Holds[resource.Cluster][cluster].Refs().Endpoints, assignment) {
			return true
		}
	}
	return false
}

func (c *Client) hold(t resource.TypeURL, name string, got Resource) {
	if outer, _, _ := strings.Cut(name, "/"); t == resource.VirtualHost && c.Holds[resource.Route][outer].Body == nil {
		return // Nobody watches it.
	}
	c.Holds[t][name] = got
	switch t {
	case resource.Cluster:
		if len(got.Refs().Endpoints) > 0 {
			c.Warming[name] = true
		}
	case resource.Endpoints:
		for cluster := range c.Warming {
			if slices.Contains(c.Holds[resource.Cluster][cluster].Refs().Endpoints, name) {
				delete(c.Warming, cluster)
			}
		}
	}
}

func (c *Client) remove(t resource.TypeURL, name string) {
	if c.asked[t][name] && !c.waits[t][name] && t == resource.VirtualHost {
		c.Fault("%s %s: removed although it was asked for", t.Short(), name)
	}
	delete(c.waits[t], name)
	delete(c.Holds[t], name)
	if t == resource.Cluster {
		delete(c.Warming, name)
	}
}

func (c *Client) wantedEndpoints() []string {
	var out []string
	for _, r := range c.Holds[resource.Cluster] {
		out = append(out, r.Refs().Endpoints...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *Client) wantedByListeners() (routes, secrets []string) {
	for _, r := range c.Holds[resource.Listener] {
		routes = append(routes, r.Refs().Routes...)
		secrets = append(secrets, r.Refs().Secrets...)
	}
	slices.Sort(routes)
	slices.Sort(secrets)
	return slices.Compact(routes), slices.Compact(secrets)
}

func (c *Client) usesVHDS() bool {
	for _, r := range c.Holds[resource.Route] {
		if r.Refs().VHDS {
			return true
		}
	}
	return false
}
