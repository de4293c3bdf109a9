package slot_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/slot"
)

func newRoot(t *testing.T) *ca.Authority {
	t.Helper()
	root, err := ca.NewRoot("td", time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set   *slot.Set
		keys  int
		roots int
	}{
		"one authority":        {set: &slot.Set{Current: newRoot(t)}, keys: 2, roots: 1},
		"one and its follower": {set: &slot.Set{Current: newRoot(t), Next: newRoot(t)}, keys: 4, roots: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := tc.set.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if len(data) != tc.keys {
				t.Errorf("%d keys, want %d", len(data), tc.keys)
			}
			got, err := slot.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(tc.set) {
				t.Error("another set came back")
			}
			certs, err := ca.Certificates(got.Bundle())
			if err != nil {
				t.Fatal(err)
			}
			if len(certs) != tc.roots || !certs[0].Equal(tc.set.Current.Certificate()) {
				t.Errorf("bundle has %d roots, want %d, the signer's first", len(certs), tc.roots)
			}
		})
	}
}

func TestDecodeRefusesWhatCannotSign(t *testing.T) {
	t.Parallel()
	whole, err := (&slot.Set{Current: newRoot(t), Next: newRoot(t)}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, missing := range map[string]string{
		"no current certificate": "current.crt",
		"no current key":         "current.key",
		"no next key":            "next.key",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := maps.Clone(whole)
			delete(data, missing)
			if _, err := slot.Decode(data); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestHolderIsEmptyUntilSet(t *testing.T) {
	t.Parallel()
	var holder slot.Holder
	if _, err := holder.Get(); !errors.Is(err, slot.ErrEmpty) {
		t.Errorf("error is %v, want ErrEmpty", err)
	}
	want := &slot.Set{Current: newRoot(t)}
	holder.Set(want)
	if got, err := holder.Get(); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
}
