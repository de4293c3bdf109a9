package xds

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Elsewhere knows the revisions whose proxies have a control plane of their own.
// A proxy that came while they had none, as when a revision that served before is
// begun with again, is sent there: its connection is ended, and the name by which
// it came leads to the other. The zero value knows none. It may be used
// concurrently.
type Elsewhere struct {
	mu        sync.Mutex
	revisions map[string]bool
	changed   chan struct{}
}

// Set says whether a revision's proxies are to go elsewhere from now on.
func (e *Elsewhere) Set(revision string, is bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.revisions[revision] == is {
		return
	}
	if e.revisions == nil {
		e.revisions = map[string]bool{}
	}
	e.revisions[revision] = is
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

// has reports whether a revision's proxies are to go elsewhere; what it returns
// is closed when that may be another answer. None has an empty revision, and a
// nil Elsewhere knows none.
func (e *Elsewhere) has(revision string) (is bool, changed <-chan struct{}) {
	if e == nil || revision == "" {
		return false, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.revisions[revision], e.changed
}

var errElsewhere = status.Error(codes.Unavailable, "this proxy's revision has a discovery of its own")
