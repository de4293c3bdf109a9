package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/internal/mesh"
)

var small = size{
	Services: 20, TCP: 4, Endpoints: 2, Namespaces: 5, VirtualServices: 6, Sidecars: 9, SidecarNamespaces: 3, Seed: 7,
}

func text(t *testing.T, m *meshOf) string {
	t.Helper()
	out, err := json.Marshal(m.objects())
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSameSizeIsTheSameMesh(t *testing.T) {
	t.Parallel()
	first, other := text(t, generate(small)), small
	if diff := cmp.Diff(first, text(t, generate(small))); diff != "" {
		t.Errorf("the second mesh of the same size differs:\n%s", diff)
	}
	other.Seed++
	if first == text(t, generate(other)) {
		t.Error("another seed gives the same mesh")
	}
}

// values is what ingest makes of changes; a problem ends the test.
func values(t *testing.T, changes []change) map[mesh.Kind][]mesh.Change {
	t.Helper()
	out := map[mesh.Kind][]mesh.Change{}
	for _, c := range changes {
		raw, err := json.Marshal(c.object)
		if err != nil {
			t.Fatal(err)
		}
		one, known, err := ingested(line{Deleted: c.deleted, Object: raw})
		if err != nil {
			t.Fatal(err)
		}
		if known {
			out[one.Key.Kind] = append(out[one.Key.Kind], one)
		}
	}
	return out
}

func TestMeshIsOfItsSizeAndWithoutProblems(t *testing.T) {
	t.Parallel()
	m := generate(small)
	got := map[mesh.Kind]int{}
	addresses := map[string]mesh.Key{}
	for kind, changes := range values(t, all(m.objects())) {
		got[kind] = len(changes)
		for _, c := range changes {
			var of []string
			switch v := c.Value.(type) {
			case nil:
				t.Errorf("%s has no effect", c.Key)
			case *mesh.Service:
				of = v.Addresses
			case *mesh.Workload:
				of = v.IPs
				if !v.Meshed {
					t.Errorf("%s has no proxy", c.Key)
				}
			}
			for _, ip := range of {
				if other, taken := addresses[ip]; taken {
					t.Errorf("%s and %s have address %s", c.Key, other, ip)
				}
				addresses[ip] = c.Key
			}
		}
	}
	want := map[mesh.Kind]int{
		mesh.KindService: 20, mesh.KindEndpointSlice: 20, mesh.KindWorkload: 9, mesh.KindNode: zones, mesh.KindVirtualService: 6,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values by kind (-want +got):\n%s", diff)
	}
}

func TestSidecarsBackServicesOfTheirNamespace(t *testing.T) {
	t.Parallel()
	m := generate(small)
	var backing []int
	for _, s := range m.services {
		selector := labels.SelectorFromSet(map[string]string{"app": s.name})
		for _, p := range s.pods {
			pod := m.sidecars[p]
			if pod.namespace != s.namespace || !selector.Matches(labels.Set(pod.labels())) {
				t.Errorf("%s/%s backs %s/%s, which does not select it", pod.namespace, pod.name, s.namespace, s.name)
			}
			backing = append(backing, p)
		}
	}
	slices.Sort(backing)
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, backing); diff != "" {
		t.Errorf("the sidecars that back a service (-want +got):\n%s", diff)
	}
}

func TestEachStepChangesSomethingEachTime(t *testing.T) {
	t.Parallel()
	m := generate(small)
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if s.prepare != nil {
				values(t, s.prepare(m, 3))
			}
			seen := map[string]bool{text(t, m): true}
			for i := range 3 {
				values(t, s.make(m, i))
				raw, err := json.Marshal(s.make(m, i)[0].object)
				if err != nil {
					t.Fatal(err)
				}
				if seen[string(raw)] {
					t.Errorf("change %d is as one before", i)
				}
				seen[string(raw)] = true
			}
		})
	}
}
