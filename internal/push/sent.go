package push

import (
	"slices"
	"time"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

// sent is one response without an answer.
type sent struct {
	seq   int
	nonce string
	kind  *kind
	// fresh are those of which the client held nothing, items all others.
	fresh []*cache.Resource
	items []item
	at    time.Time
	// again: a part of a response that was rejected.
	again bool
}

// item is one name in a response; version is "" for a removal. held is what the
// client held before.
type item struct {
	name, version, held string
}

// unpack makes items of all.
func (o *sent) unpack() {
	for _, res := range o.fresh {
		o.items = append(o.items, item{name: res.Name, version: res.Version})
	}
	o.fresh = nil
}

// names reports whether the response has a name.
func (o *sent) names(name string) bool {
	return slices.ContainsFunc(o.fresh, func(r *cache.Resource) bool { return r.Name == name }) ||
		slices.ContainsFunc(o.items, func(it item) bool { return it.name == name })
}
