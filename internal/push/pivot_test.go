package push

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

// pair is a kind of computation and a kind of key that it reads.
type pair struct {
	what string
	kind mesh.Kind
}

// pivots counts, per pair, how often keys of that kind were the only changed ones
// that a computation had read, and its result changed. A pair that is read and
// never pivotal is a read that the random story cannot tell from a forgotten
// one.
type pivots struct {
	read    map[pair]int
	pivotal map[pair]int
}

// snap is one computation as it was before a turn.
type snap struct {
	what string
	keys []mesh.Key
	// changed reports whether its result is another one now.
	changed func() bool
}

func (e *Engine) snapshot() (out []snap) {
	keys := func(c *computation) []mesh.Key {
		ks := make([]mesh.Key, len(c.edges))
		for i, ed := range c.edges {
			ks[i] = ed.of.key
		}
		return ks
	}
	for _, k := range e.kinds {
		for _, c := range k.classes {
			for _, l := range c.leaves {
				if l == nil || len(c.streams) == 0 {
					continue
				}
				cl, was := l.cell, l.version()
				out = append(out, snap{k.URL.Short(), keys(&l.computation), func() bool {
					return k.cells[cl.name] == cl && len(c.streams) > 0 && c.leaf(cl.slot).version() != was
				}})
			}
		}
		for _, sp := range k.spawned {
			was := sp.names
			out = append(out, snap{"names of " + k.URL.Short(), keys(&sp.computation), func() bool { return !slices.Equal(sp.names, was) }})
		}
	}
	for _, d := range e.derived {
		was := d.value
		out = append(out, snap{string(d.key.Kind), keys(&d.computation), func() bool {
			return (d.value == nil) != (was == nil) || was != nil && !was.Equal(d.value)
		}})
	}
	for _, s := range e.streams {
		was := s.signatures()
		out = append(out, snap{"facts", keys(&s.computation), func() bool { return !s.closed && s.signatures() != was }})
	}
	return out
}

func (s *stream) signatures() (out string) {
	for _, k := range s.engine.kinds {
		out += k.sign(s.facts) + "\n"
	}
	return out + s.facts.Fact(mesh.Fact{Kind: mesh.FactScope})
}

// around runs a turn and counts.
func (p *pivots) around(e *Engine, turn func()) {
	touched := map[mesh.Key]bool{}
	e.touched = func(k mesh.Key) { touched[k] = true }
	before := e.snapshot()
	turn()
	e.touched = nil
	for _, s := range before {
		hit := map[mesh.Kind]bool{}
		for _, k := range s.keys {
			p.read[pair{s.what, k.Kind}]++
			if touched[k] {
				hit[k.Kind] = true
			}
		}
		if len(hit) == 1 && s.changed() {
			for kind := range hit {
				p.pivotal[pair{s.what, kind}]++
			}
		}
	}
}

// redundant are reads that decide nothing by themselves, and why.
var redundant = map[pair]string{
	{"Cluster", "ServicesOfHost"}:                  "the service gives rise to the name",
	{"ClusterLoadAssignment", "ServicesOfHost"}:    "the service gives rise to the name",
	{"Secret", "CredentialsOfName"}:                "the credential gives rise to the name",
	{"Cluster", "PeerAuthenticationsOfNamespace"}:  "read beside PeerAuthentications",
	{"Inbound", "PeerAuthenticationsOfNamespace"}:  "read beside PeerAuthentications",
	{"Listener", "PeerAuthenticationsOfNamespace"}: "read beside PeerAuthentications",
	{"Listener", "EndpointSlice"}:                  "the slice gives rise to the name",
	{"Listener", "SlicesOfAddress"}:                "the slice gives rise to the name",
	{"Listener", "SlicesOfService"}:                "read beside SlicesOfAddress",
}

// aim picks an object that a computation has read of which a kind of read was
// never pivotal yet.
func (p *pivots) aim(g gen, e *Engine) (mesh.Key, bool) {
	if p == nil {
		return mesh.Key{}, false
	}
	missing, _ := p.report()
	if len(missing) == 0 {
		return mesh.Key{}, false
	}
	want := pick(g.Rand, missing)
	var candidates []mesh.Key
	for _, s := range e.snapshot() {
		if s.what != want.what || !slices.ContainsFunc(s.keys, func(k mesh.Key) bool { return k.Kind == want.kind }) {
			continue
		}
		for _, k := range s.keys {
			if d := e.derived[k]; d != nil && k.Kind == want.kind {
				// What is behind it counts more than what is beside it.
				for range 5 {
					candidates = append(candidates, d.objects()...)
				}
			}
			if slices.Contains(genKeys(), k) {
				candidates = append(candidates, k)
			}
		}
	}
	if len(candidates) == 0 {
		return mesh.Key{}, false
	}
	// The kind of a bucket begins with that of its members, who may not exist.
	for _, k := range genKeys() {
		if strings.HasPrefix(string(want.kind), string(k.Kind)) {
			candidates = append(candidates, k, k)
		}
	}
	slices.SortFunc(candidates, mesh.Key.Compare)
	// The kind itself half of the time, if it is one of objects.
	if own := slices.DeleteFunc(slices.Clone(candidates), func(k mesh.Key) bool { return k.Kind != want.kind }); len(own) > 0 && g.chance(50) {
		candidates = own
	}
	return pick(g.Rand, candidates), true
}

// objects are the stored keys that a derived value was computed from.
func (d *derived) objects() (out []mesh.Key) {
	for _, ed := range d.edges {
		if slices.Contains(genKeys(), ed.of.key) {
			out = append(out, ed.of.key)
		}
	}
	return out
}

// report lists the pairs that were never pivotal and should have been.
func (p *pivots) report() (missing []pair, text string) {
	pairs := slices.SortedFunc(maps.Keys(p.read), func(a, b pair) int {
		if a.what != b.what {
			if a.what < b.what {
				return -1
			}
			return 1
		}
		return mesh.Key{Kind: a.kind}.Compare(mesh.Key{Kind: b.kind})
	})
	for _, at := range pairs {
		text += fmt.Sprintf("%-40s %-32s read %8d pivotal %5d\n", at.what, at.kind, p.read[at], p.pivotal[at])
		if p.pivotal[at] == 0 && redundant[at] == "" {
			missing = append(missing, at)
		}
	}
	return missing, text
}
