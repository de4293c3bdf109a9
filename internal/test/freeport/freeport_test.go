package freeport

import (
	"net"
	"testing"
)

func TestPortIsGivenOnceAndCanBeListenedOn(t *testing.T) {
	seen := map[int]bool{}
	for range 200 {
		p := Take(t)
		if seen[p] {
			t.Fatalf("port %d is given twice", p)
		}
		seen[p] = true
		listener, err := net.Listen("tcp", address(p)) //nolint:noctx // no name to look up
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		if free(t.Context(), p) {
			t.Fatalf("port %d is called free while it is listened on", p)
		}
	}
}
