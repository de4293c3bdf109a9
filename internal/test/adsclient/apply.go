package adsclient

import (
	"fmt"
	"slices"
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// apply puts a response into force and returns why it is rejected, if it is.
// Of a rejected response the good part is in force, but one bad virtual host
// rejects all of its response, as Envoy does.
func (c *Client) apply(t resource.TypeURL, r *discoveryv3.DeltaDiscoveryResponse) string {
	count := c.Counts[t]
	count.Responses++
	c.Responses++
	refused := ""
	seen := make(map[string]bool, len(r.GetResources()))
	accepted := make([]*discoveryv3.Resource, 0, len(r.GetResources()))
	for _, res := range r.GetResources() {
		name := res.GetName()
		if seen[name] {
			c.Fault("%s %s: twice in one response", t.Short(), name)
		}
		seen[name] = true
		count.Resources++
		c.Received++
		if res.GetResource() == nil || !c.watches(t, name) {
			c.answered(t, res)
			continue
		}
		got := received(res)
		c.again(t, name, got, &count)
		c.answered(t, res)
		if c.Seen != nil {
			c.Seen(t, name, got)
		}
		if c.Reject != nil {
			if why := c.Reject(t, name, got); why != "" {
				refused = fmt.Sprintf("%s: %s", name, why)
				continue
			}
		}
		accepted = append(accepted, res)
	}
	count.Removed += len(r.GetRemovedResources())
	c.Removed += len(r.GetRemovedResources())
	c.Counts[t] = count
	if t == resource.VirtualHost {
		if refused == "" {
			refused = c.collision(accepted, r.GetRemovedResources())
		}
		if refused != "" {
			return refused
		}
	}
	for _, name := range r.GetRemovedResources() {
		c.remove(t, name)
	}
	for _, res := range accepted {
		c.hold(t, res.GetName(), received(res))
	}
	c.checkClusters(t, accepted, r.GetRemovedResources())
	return refused
}

// watches reports whether Envoy would look at a resource of that name: what was
// on its way when it was let go of is ignored.
func (c *Client) watches(t resource.TypeURL, name string) bool {
	switch t {
	case resource.Cluster, resource.Listener:
		return true
	case resource.VirtualHost:
		_, ok := c.Holds[resource.Route][outerOf(name)]
		return ok
	default:
		return c.asked[t][name]
	}
}

// answered ends the wait for a name and its aliases.
func (c *Client) answered(t resource.TypeURL, res *discoveryv3.Resource) {
	delete(c.waits[t], res.GetName())
	for _, alias := range res.GetAliases() {
		delete(c.waits[t], alias)
	}
}

// again looks whether the bytes are held, and whether there is a reason to send
// them.
func (c *Client) again(t resource.TypeURL, name string, got Resource, count *Count) {
	if held := c.Holds[t][name]; held.Body == nil || held.Body != got.Body {
		return
	}
	late := resource.Name{Type: t, Name: name}
	owed := c.waits[t][name] || c.nacked[t] || c.late[late]
	delete(c.late, late)
	if t == resource.Endpoints {
		// The server sent it before it knew that the cluster was rejected.
		owed = owed || c.nacked[resource.Cluster]
		owed = owed || slices.ContainsFunc(c.waiters[name], func(cluster string) bool { return c.Warming[cluster] })
	}
	if owed {
		count.Owed++
		return
	}
	count.Resent++
	c.Fault("%s %s: sent again with the bytes that are held", t.Short(), name)
}

// hold puts a resource into force.
func (c *Client) hold(t resource.TypeURL, name string, got Resource) {
	c.drop(t, name)
	c.Holds[t][name] = got
	refs := got.Refs()
	for _, n := range refs.all {
		c.named[n]++
		c.touched[n] = true
	}
	switch t {
	case resource.Cluster:
		for _, assignment := range refs.Endpoints {
			c.waiters[assignment] = append(c.waiters[assignment], name)
			c.Warming[name] = true
		}
	case resource.Endpoints:
		for _, cluster := range c.waiters[name] {
			delete(c.Warming, cluster)
		}
	case resource.VirtualHost:
		outer := outerOf(name)
		if c.domains[outer] == nil {
			c.domains[outer] = map[string]string{}
		}
		for _, d := range refs.Domains {
			c.domains[outer][d] = name
		}
	}
}

// remove does what the server says of a removed resource.
func (c *Client) remove(t resource.TypeURL, name string) {
	if c.asked[t][name] && !c.waits[t][name] && t == resource.VirtualHost {
		c.Fault("%s %s: removed although it was asked for", t.Short(), name)
	}
	delete(c.waits[t], name)
	c.drop(t, name)
}

// drop lets go of a resource.
func (c *Client) drop(t resource.TypeURL, name string) {
	old, held := c.Holds[t][name]
	if !held {
		return
	}
	delete(c.Holds[t], name)
	refs := old.Refs()
	for _, n := range refs.all {
		c.touched[n] = true
		if c.named[n]--; c.named[n] == 0 {
			delete(c.named, n)
		}
	}
	switch t {
	case resource.Cluster:
		delete(c.Warming, name)
		for _, assignment := range refs.Endpoints {
			c.waiters[assignment] = slices.DeleteFunc(c.waiters[assignment], func(w string) bool { return w == name })
			if len(c.waiters[assignment]) == 0 {
				delete(c.waiters, assignment)
			}
		}
	case resource.VirtualHost:
		outer := outerOf(name)
		for _, d := range refs.Domains {
			if c.domains[outer][d] == name {
				delete(c.domains[outer], d)
			}
		}
	}
}

// collision looks for a domain that two virtual hosts of a route configuration
// would have once the response is in force. Envoy rejects such a response.
func (c *Client) collision(accepted []*discoveryv3.Resource, removed []string) string {
	leaves := make(map[string]bool, len(accepted)+len(removed))
	for _, res := range accepted {
		leaves[res.GetName()] = true
	}
	for _, name := range removed {
		leaves[name] = true
	}
	claims := map[string]string{}
	for _, res := range accepted {
		outer := outerOf(res.GetName())
		for _, d := range received(res).Refs().Domains {
			other, taken := claims[outer+"/"+d]
			if !taken {
				other, taken = c.domains[outer][d]
				taken = taken && !leaves[other]
			}
			if taken {
				c.Fault("VirtualHost %s: domain %s is also in %s", res.GetName(), d, other)
				return fmt.Sprintf("Only unique values for domains are permitted. Duplicate entry of domain %s in route %s", d, outer)
			}
			claims[outer+"/"+d] = res.GetName()
		}
	}
	return ""
}

// checkClusters asks that every cluster that is named is there. Of a client that
// refuses things nothing is asked: what it holds is not what the server meant.
func (c *Client) checkClusters(t resource.TypeURL, accepted []*discoveryv3.Resource, removed []string) {
	if len(c.nacked) > 0 || c.Reject != nil {
		return
	}
	for _, res := range accepted {
		for _, cluster := range received(res).Refs().Clusters {
			if _, ok := c.Holds[resource.Cluster][cluster]; !ok && !c.Bootstrap[cluster] {
				c.Fault("%s %s: names cluster %s, which is not there", t.Short(), res.GetName(), cluster)
			}
		}
	}
	if t != resource.Cluster {
		return
	}
	for _, name := range removed {
		if n := c.named[resource.Name{Type: resource.Cluster, Name: name}]; n > 0 {
			c.Fault("Cluster %s: removed while %d resources name it", name, n)
		}
	}
}

// outerOf is the route configuration of a virtual host's name.
func outerOf(name string) string {
	outer, _, _ := strings.Cut(name, "/")
	return outer
}
