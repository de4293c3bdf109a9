package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"
)

// InSuffix is how the name of an input file ends.
const InSuffix = ".in.yaml"

// Cases runs f as a parallel subtest for each <case>.in.yaml in dir. f gets the
// path without InSuffix, to which it adds the suffix of each output, and the
// input. No case at all is a failure.
func Cases(t *testing.T, dir string, f func(t *testing.T, base string, in []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+InSuffix))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden input in %s: %v", dir, err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, InSuffix)
		t.Run(filepath.Base(base), func(t *testing.T) {
			t.Parallel()
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f(t, base, in)
		})
	}
}

// Documents splits a YAML stream at its "---" lines; empty documents are left
// out.
func Documents(stream []byte) [][]byte {
	var docs [][]byte
	for doc := range strings.SplitSeq("\n"+string(stream), "\n---") {
		if strings.TrimSpace(doc) != "" {
			docs = append(docs, []byte(doc))
		}
	}
	return docs
}

// YAML compares got, written as YAML, with the file. Struct fields that are
// zero are left out, durations and times are written as people write them.
func YAML(t testing.TB, file string, got any) {
	t.Helper()
	out, err := Marshal(got)
	if err != nil {
		t.Fatalf("write %s as YAML: %v", file, err)
	}
	Text(t, file, out)
}

// Proto compares messages, written as one YAML list of protobuf JSON, with the
// file. The caller sorts them.
func Proto[M proto.Message](t testing.TB, file string, messages []M) {
	t.Helper()
	list := make([]json.RawMessage, len(messages))
	for i, m := range messages {
		raw, err := protojson.Marshal(m)
		if err != nil {
			t.Fatalf("write %s as JSON: %v", file, err)
		}
		list[i] = raw
	}
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatalf("write %s as JSON: %v", file, err)
	}
	// protojson puts spaces in at random; YAML sorts keys and has none of it.
	out, err := yaml.JSONToYAML(raw)
	if err != nil {
		t.Fatalf("write %s as YAML: %v", file, err)
	}
	Text(t, file, out)
}

// Text compares got with the file byte by byte, or writes the file when the
// environment says GOLDEN=1.
func Text(t testing.TB, file string, got []byte) {
	t.Helper()
	if os.Getenv("GOLDEN") == "1" {
		if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, got) {
			return
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (make golden writes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-file +now); if it is meant, make golden:\n%s", file, diff)
	}
}
