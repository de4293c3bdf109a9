package push

import "github.com/meshwright/meshwright/internal/xds/cache"

// holdings are what a client says that it holds of a type. Its strings are
// those of the request.
type holdings struct {
	empty bool
	// bySlot are the versions of names that there are, "" for none; gone those of
	// the others.
	bySlot []string
	gone   map[string]string
}

// holdings sorts what a client holds by what there is. Release ends its use:
// there is one at a time.
func (e *Engine) holdings(k *kind, list []cache.Held) holdings {
	if len(list) == 0 {
		return holdings{empty: true}
	}
	if grow := len(k.slots) - len(e.heldBySlot); grow > 0 {
		e.heldBySlot = append(e.heldBySlot, make([]string, grow)...)
	}
	h := holdings{bySlot: e.heldBySlot}
	for _, held := range list {
		if cl := k.cells[held.Name]; cl != nil {
			h.bySlot[cl.slot] = held.Version
			continue
		}
		if h.gone == nil {
			h.gone = map[string]string{}
		}
		h.gone[held.Name] = held.Version
	}
	return h
}

// of is the version that the client holds, "" for none.
func (h holdings) of(cl *cell) string {
	if h.empty {
		return ""
	}
	return h.bySlot[cl.slot]
}

func (h holdings) release() { clear(h.bySlot) }
