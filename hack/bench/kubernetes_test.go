package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/test/apiserver"
)

func TestMeshAndChangesAreTakenByTheAPIServer(t *testing.T) {
	t.Parallel()
	server := apiserver.Start(t, serverOptions()...)
	c, err := newCluster(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	m := generate(small)
	if err := c.load(t.Context(), m.objects()); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		var changes []change
		if s.prepare != nil {
			changes = s.prepare(m, 2)
		}
		for i := range 2 {
			changes = append(changes, s.make(m, i)...)
		}
		if err := c.apply(t.Context(), changes); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	pod := m.sidecars[0]
	tests := map[string]struct {
		object object
		want   string
		fields []string
	}{
		"a pod has its address":              {pod.pod(), pod.address, []string{"status", "podIP"}},
		"a Service has the chosen address":   {m.services[3].service(), address(serviceAddresses, 3), []string{"spec", "clusterIP"}},
		"a patch changed the VirtualService": {m.virtualService(1, 0), "11s", []string{"spec", "http", "0", "timeout"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := c.of(test.object).Get(t.Context(), test.object.GetName(), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := at(o, test.fields); got != test.want {
				t.Errorf("%v is %v, want %s", test.fields, got, test.want)
			}
		})
	}
	list, err := c.of(m.services[0].service()).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list.Items {
		if s.GetName() == m.fresh(0, false).name {
			t.Errorf("Service %s is still there", s.GetName())
		}
	}
}

// at is a field of an object; "0" is the first element of a list.
func at(o *unstructured.Unstructured, fields []string) any {
	var v any = o.Object
	for _, f := range fields {
		switch in := v.(type) {
		case map[string]any:
			v = in[f]
		case []any:
			v = in[0]
		}
	}
	return v
}
