package ingest_test

import (
	"testing"

	"github.com/meshwright/meshwright/internal/ingest"
	"github.com/meshwright/meshwright/internal/test/golden"
)

// TestGolden pins what objects mean: <case>.in.yaml holds objects as users
// write them, <case>.mesh.yaml what comes of them.
func TestGolden(t *testing.T) {
	t.Parallel()
	golden.Cases(t, "testdata", func(t *testing.T, base string, in []byte) {
		results := []ingest.Result{}
		for _, doc := range golden.Documents(in) {
			object, err := ingest.Decode(doc)
			if err != nil {
				t.Fatal(err)
			}
			result, ok := ingest.Object("cluster.local", object)
			if !ok {
				t.Fatalf("not of the mesh: %s", doc)
			}
			results = append(results, result)
		}
		golden.YAML(t, base+".mesh.yaml", results)
	})
}
