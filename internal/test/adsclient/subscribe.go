package adsclient

import (
	"maps"
	"slices"
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// everything is the name that stands for all names of a wildcard type.
const everything = "*"

// openWildcard is the first request of a type that is not asked for by name.
// With names on demand beside it, Envoy says "*" in so many words.
func (c *Client) openWildcard(t resource.TypeURL) []*discoveryv3.DeltaDiscoveryRequest {
	if c.opened[t] {
		return nil
	}
	if len(c.onDemand[t]) == 0 {
		return []*discoveryv3.DeltaDiscoveryRequest{c.open(t, nil)}
	}
	names := slices.Sorted(maps.Keys(c.onDemand[t]))
	c.ask(t, names)
	return []*discoveryv3.DeltaDiscoveryRequest{c.open(t, append([]string{everything}, names...))}
}

// open is the first request of a type on a stream. Clusters that were asked for
// on demand come without a version, as Envoy does it: they are sent again.
func (c *Client) open(t resource.TypeURL, names []string) *discoveryv3.DeltaDiscoveryRequest {
	c.opened[t] = true
	versions := map[string]string{}
	for name, r := range c.Holds[t] {
		if t != resource.Cluster || !c.onDemand[t][name] {
			versions[name] = r.Version
		}
	}
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: string(t), ResourceNamesSubscribe: names, InitialResourceVersions: versions}
	if t == resource.Cluster {
		req.Node = c.Node
	}
	return req
}

// subscribe asks for names that are not asked for yet on this stream.
func (c *Client) subscribe(t resource.TypeURL, names []string) []*discoveryv3.DeltaDiscoveryRequest {
	fresh := c.ask(t, names)
	switch {
	case len(fresh) == 0:
		return nil
	case c.opened[t]:
		return []*discoveryv3.DeltaDiscoveryRequest{{TypeUrl: string(t), ResourceNamesSubscribe: fresh}}
	default:
		return []*discoveryv3.DeltaDiscoveryRequest{c.open(t, fresh)}
	}
}

// ask notes names as asked for and returns those that were not.
func (c *Client) ask(t resource.TypeURL, names []string) []string {
	if c.asked[t] == nil {
		c.asked[t], c.waits[t] = map[string]bool{}, map[string]bool{}
	}
	var fresh []string
	for _, n := range names {
		if c.asked[t][n] {
			continue
		}
		c.asked[t][n] = true
		if at := (resource.Name{Type: t, Name: n}); c.left[at] {
			c.late[at] = true
		}
		// A first request carries versions: what is held need not be answered.
		resumes := !c.opened[t] && c.Holds[t][n].Body != nil && (t != resource.Cluster || !c.onDemand[t][n])
		if !resumes {
			c.waits[t][n] = true
		}
		fresh = append(fresh, n)
	}
	return fresh
}

// unsubscribe lets go of names.
func (c *Client) unsubscribe(t resource.TypeURL, names []string) []*discoveryv3.DeltaDiscoveryRequest {
	for _, n := range names {
		delete(c.asked[t], n)
		delete(c.waits[t], n)
		c.left[resource.Name{Type: t, Name: n}] = true
		c.drop(t, n)
	}
	if len(names) == 0 {
		return nil
	}
	return []*discoveryv3.DeltaDiscoveryRequest{{TypeUrl: string(t), ResourceNamesUnsubscribe: names}}
}

// follow asks for what is named since the last response, and lets go of what
// nothing names any more, with the virtual hosts of route configurations.
func (c *Client) follow() []*discoveryv3.DeltaDiscoveryRequest {
	var out []*discoveryv3.DeltaDiscoveryRequest
	for _, t := range []resource.TypeURL{resource.Endpoints, resource.Route, resource.Secret} {
		var gone, come []string
		for n := range c.touched {
			switch {
			case n.Type != t:
			case c.named[n] > 0:
				come = append(come, n.Name)
			case c.asked[t][n.Name]:
				gone = append(gone, n.Name)
			}
		}
		slices.Sort(gone)
		slices.Sort(come)
		out = append(out, c.unsubscribe(t, gone)...)
		if t == resource.Route && len(gone) > 0 {
			c.dropInner(gone)
		}
		out = append(out, c.subscribe(t, come)...)
	}
	clear(c.touched)
	return out
}

// dropInner lets go of the virtual hosts of route configurations.
func (c *Client) dropInner(routes []string) {
	for name := range c.Holds[resource.VirtualHost] {
		if outer, _, _ := strings.Cut(name, "/"); slices.Contains(routes, outer) {
			c.drop(resource.VirtualHost, name)
		}
	}
}
