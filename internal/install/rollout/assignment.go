package rollout

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Namespace is a namespace of the mesh: it opts in, or pods in it do.
type Namespace struct {
	Name, UID string
	Labels    map[string]string
}

// Assign divides namespaces at a step, counted from 1, into those whose new pods
// get the new revision's proxy and those that stay. What the selectors of the
// steps so far take has moved, and so has what moved before and is still there;
// a weight fills up to its share of all, in the order of a hash of the UIDs. So
// a later step never takes a namespace back. Both lists are sorted. The error is
// a selector that cannot be read.
func Assign(namespaces []Namespace, steps []v1alpha1.CanaryStep, step int, before []string) (moved, staying []string, err error) {
	in := map[string]bool{}
	for _, n := range namespaces {
		in[n.Name] = slices.Contains(before, n.Name)
	}
	for i, s := range steps[:min(step, len(steps))] {
		switch {
		case s.Selector != nil:
			selector, err := metav1.LabelSelectorAsSelector(s.Selector)
			if err != nil {
				return nil, nil, fmt.Errorf("read spec.update.canary.steps[%d].selector: %w", i, err)
			}
			for _, n := range namespaces {
				in[n.Name] = in[n.Name] || selector.Matches(labels.Set(n.Labels))
			}
		case s.Weight != nil:
			fill(in, namespaces, int(*s.Weight))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if in[name] {
			moved = append(moved, name)
		} else {
			staying = append(staying, name)
		}
	}
	return moved, staying, nil
}

// fill moves further namespaces until their share is weight percent, rounded up.
func fill(in map[string]bool, namespaces []Namespace, weight int) {
	missing := (len(namespaces)*weight + 99) / 100
	for _, is := range in {
		if is {
			missing--
		}
	}
	ranked := slices.SortedFunc(slices.Values(namespaces), func(a, b Namespace) int {
		return cmp.Or(cmp.Compare(rank(a.UID), rank(b.UID)), cmp.Compare(a.Name, b.Name))
	})
	for _, n := range ranked {
		if missing <= 0 {
			return
		}
		if !in[n.Name] {
			in[n.Name] = true
			missing--
		}
	}
}

func rank(uid string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(uid))
	return h.Sum64()
}
