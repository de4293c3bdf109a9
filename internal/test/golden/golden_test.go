package golden

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

type inner struct{ Name string }

type sample struct {
	inner
	Inner
	Zero    string
	Pointer *int
	Wait    time.Duration
	Labels  map[string]string
	List    []inner
	Any     any
	Bytes   []byte
}

// Inner is exported so that it is inlined.
type Inner struct{ Kind string }

func TestMarshalLeavesOutZeroFieldsOnly(t *testing.T) {
	t.Parallel()
	got, err := Marshal(&sample{
		Inner: Inner{Kind: "k"}, Pointer: new(int), Wait: 5 * time.Second,
		Labels: map[string]string{"a": ""}, List: []inner{{Name: "x"}}, Any: inner{Name: "y"}, Bytes: []byte("b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `Any:
  Name: "y"
Bytes: b
Kind: k
Labels:
  a: ""
List:
- Name: x
Pointer: 0
Wait: 5s
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDocumentsSplitsAStream(t *testing.T) {
	t.Parallel()
	got := Documents([]byte("---\na: 1\n---\n\n---\nb: 2\n"))
	if len(got) != 2 || string(got[0]) != "\na: 1" || string(got[1]) != "\nb: 2\n" {
		t.Errorf("got %q", got)
	}
}

// recorder is a testing.TB that remembers failures.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }

func TestComparesWithTheFileAndRewritesItOnDemand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "case.yaml")
	messages := []*durationpb.Duration{durationpb.New(time.Second)}

	t.Setenv("GOLDEN", "1")
	Proto(t, file, messages)
	written, err := os.ReadFile(file)
	if err != nil || string(written) != "- 1s\n" {
		t.Fatalf("wrote %q, %v", written, err)
	}

	t.Setenv("GOLDEN", "")
	Proto(t, file, messages)
	r := &recorder{TB: t}
	Proto(r, file, append(messages, durationpb.New(2*time.Second)))
	if !r.failed {
		t.Error("a difference was not reported")
	}
}
