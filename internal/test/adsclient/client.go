package adsclient

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

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
	// "" is the NACK's text. It is asked once for each resource received.
	Reject func(t resource.TypeURL, name string, r Resource) string
	// Seen, if set, is told of each resource that is received and looked at.
	Seen func(t resource.TypeURL, name string, r Resource)
	// Fault is called where the server broke a rule of the protocol; the default
	// panics. The rules are those of Receive.
	Fault func(format string, args ...any)
	// Bootstrap are clusters that the proxy has without being sent them.
	Bootstrap map[string]bool
	// Responses, Received and Removed count responses, resources, and names told
	// as removed.
	Responses, Received, Removed int
	// Counts has the same by type, over all streams.
	Counts map[resource.TypeURL]Count

	// named counts, for each name, the held resources that name it.
	named map[resource.Name]int
	// touched are names whose count changed in this response.
	touched map[resource.Name]bool
	// waiters are the clusters held that use an assignment.
	waiters map[string][]string
	// domains of a route configuration, and the virtual host that has each.
	domains map[string]map[string]string

	// asked are the names subscribed to on this stream, by type.
	asked map[resource.TypeURL]map[string]bool
	// waits are names that were asked for and not answered yet.
	waits map[resource.TypeURL]map[string]bool
	// late are names that were let go of and asked for again on this stream: what
	// was on its way before may answer, and then the server does, once more.
	left, late map[resource.Name]bool
	// opened are the types with a first request on this stream.
	opened map[resource.TypeURL]bool
	// onDemand are names asked for by Ask; a new stream asks for them again.
	onDemand map[resource.TypeURL]map[string]bool
	// nacked says that a type was rejected once on this stream: what it holds of
	// it may be sent again while the server bisects.
	nacked map[resource.TypeURL]bool
}

// Count is what was received of one type.
type Count struct {
	// Responses, Resources and Removed are as in Client.
	Responses, Resources, Removed int
	// Bytes are those of the whole responses on the wire, without the five of
	// gRPC's own header. A Session counts them.
	Bytes int
	// Resent are resources with the bytes that were held, for no reason. Owed are
	// those with a reason: asked for anew, an assignment after its cluster, or
	// sent again because a response was rejected.
	Resent, Owed int
}

// Add returns the sum of two counts.
func (c Count) Add(d Count) Count {
	return Count{
		Responses: c.Responses + d.Responses, Resources: c.Resources + d.Resources, Removed: c.Removed + d.Removed,
		Bytes: c.Bytes + d.Bytes, Resent: c.Resent + d.Resent, Owed: c.Owed + d.Owed,
	}
}

// New returns a client that holds nothing.
func New(node *corev3.Node) *Client {
	return &Client{
		Node:     node,
		Holds:    map[resource.TypeURL]map[string]Resource{},
		Warming:  map[string]bool{},
		Fault:    func(f string, a ...any) { panic(fmt.Sprintf(f, a...)) },
		Counts:   map[resource.TypeURL]Count{},
		named:    map[resource.Name]int{},
		touched:  map[resource.Name]bool{},
		waiters:  map[string][]string{},
		domains:  map[string]map[string]string{},
		onDemand: map[resource.TypeURL]map[string]bool{},
	}
}

// Connect begins a new stream: the first requests, with what is held already.
// As Envoy does, a client that holds nothing asks for clusters alone, and for
// listeners once it has them.
func (c *Client) Connect() []*discoveryv3.DeltaDiscoveryRequest {
	c.asked = map[resource.TypeURL]map[string]bool{}
	c.waits = map[resource.TypeURL]map[string]bool{}
	c.opened = map[resource.TypeURL]bool{}
	c.left, c.late = map[resource.Name]bool{}, map[resource.Name]bool{}
	c.nacked = map[resource.TypeURL]bool{}
	out := c.openWildcard(resource.Cluster)
	if c.Holds[resource.Cluster] == nil {
		return out
	}
	out = append(out, c.subscribe(resource.Endpoints, c.wanted(resource.Endpoints))...)
	out = append(out, c.openWildcard(resource.Listener)...)
	out = append(out, c.subscribe(resource.Route, c.wanted(resource.Route))...)
	if c.usesVHDS() {
		out = append(out, c.openWildcard(resource.VirtualHost)...)
	}
	return append(out, c.subscribe(resource.Secret, c.wanted(resource.Secret))...)
}

// Receive takes a response and returns what Envoy would say to it. It calls
// Fault where
//   - a response has a resource twice;
//   - the bytes that are held are sent again without a reason (Count.Owed);
//   - a resource names a cluster that is not held, or a cluster is removed that
//     a resource names (not asked of a client with Reject);
//   - two virtual hosts of a route configuration have the same domain;
//   - a virtual host is removed that was asked for by name (Envoy would answer
//     404 and never ask again).
func (c *Client) Receive(r *discoveryv3.DeltaDiscoveryResponse) []*discoveryv3.DeltaDiscoveryRequest {
	t := resource.TypeURL(r.GetTypeUrl())
	answer := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
	first := c.Holds[t] == nil
	if first {
		c.Holds[t] = map[string]Resource{}
	}
	if refused := c.apply(t, r); refused != "" {
		c.nacked[t] = true
		answer.ErrorDetail = &status.Status{Code: int32(codes.Internal), Message: refused}
	}
	out := append([]*discoveryv3.DeltaDiscoveryRequest{answer}, c.follow()...)
	if t == resource.Cluster && first {
		out = append(out, c.openWildcard(resource.Listener)...)
	}
	if t == resource.Route && !c.opened[resource.VirtualHost] && c.usesVHDS() {
		out = append(out, c.openWildcard(resource.VirtualHost)...)
	}
	return out
}

// Ask subscribes to names on demand, as the on-demand filter does for a virtual
// host (<route configuration>/<host>) or a cluster. Names that are asked for
// already are left out.
func (c *Client) Ask(t resource.TypeURL, names ...string) []*discoveryv3.DeltaDiscoveryRequest {
	if c.onDemand[t] == nil {
		c.onDemand[t] = map[string]bool{}
	}
	for _, n := range names {
		c.onDemand[t][n] = true
	}
	return c.subscribe(t, names)
}

// Settled reports that every name asked for was answered and no cluster waits
// for its assignment.
func (c *Client) Settled() bool {
	for _, names := range c.waits {
		if len(names) > 0 {
			return false
		}
	}
	return len(c.Warming) == 0 && c.Holds[resource.Listener] != nil
}

// Total is the sum over all types.
func (c *Client) Total() Count {
	var sum Count
	for _, n := range c.Counts {
		sum = sum.Add(n)
	}
	return sum
}

// wanted are the names of a type that held resources name, sorted.
func (c *Client) wanted(t resource.TypeURL) []string {
	var out []string
	for n := range c.named {
		if n.Type == t {
			out = append(out, n.Name)
		}
	}
	slices.Sort(out)
	return out
}

func (c *Client) usesVHDS() bool {
	for _, r := range c.Holds[resource.Route] {
		if r.Refs().VHDS {
			return true
		}
	}
	return false
}
