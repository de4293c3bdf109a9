package sds_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/meshwright/meshwright/internal/agent/sds"
)

// What the server serves is tested with the real Envoy, in package agent.

func TestListenTakesTheSocketOfAnEarlierRunForItselfAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sds.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lis, err := sds.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.ModeSocket|0o600; got != want {
		t.Errorf("mode is %s, want %s", got, want)
	}
}
