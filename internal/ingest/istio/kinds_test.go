package istio

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/test/apiserver"
	"github.com/meshwright/meshwright/internal/test/golden"
)

// TestKindsAreThoseOfTheAPI: a kind that the pinned API has and we do not know
// would be dropped in silence.
func TestKindsAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	path, err := apiserver.IstioCRDs()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for _, doc := range golden.Documents(text) {
		var crd struct {
			Spec struct {
				Group    string
				Names    struct{ Kind, Plural string }
				Versions []struct{ Name string }
			}
		}
		if err := yaml.Unmarshal(doc, &crd); err != nil {
			t.Fatal(err)
		}
		if crd.Spec.Group == "" {
			continue // comments
		}
		want[crd.Spec.Group+"/"+crd.Spec.Names.Kind] = crd.Spec.Names.Plural
		for _, v := range crd.Spec.Versions {
			if !strings.Contains(strings.Join(Versions, " ")+" ", v.Name+" ") {
				t.Errorf("%s: version %s is not known", crd.Spec.Names.Kind, v.Name)
			}
		}
	}
	for _, kind := range Kinds {
		got[kind.Group+"/"+kind.Kind] = kind.Resource
		if !kind.Served && kind.Consequence == "" {
			t.Errorf("%s: what it means that it is not served is not said", kind.Kind)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
