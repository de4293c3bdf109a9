package apiserver

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// bound starts a program that ends with the process that started it, whatever
// ends that: envtest lets its programs live on after a test that was killed.
const bound = `#!/bin/sh
exec setpriv --pdeathsig KILL %q "$@"
`

// program is the path of a script in the server's folder that runs a program of
// the cache bound to this process.
func (s *Server) program(name string) (string, error) {
	found, err := assets.Find(name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, name)
	// A child that is forked meanwhile would hold the file open for writing, and
	// what is open for writing cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, fmt.Appendf(nil, bound, found), 0o700); err != nil {
		return "", fmt.Errorf("write the script that runs %s: %w", name, err)
	}
	return path, nil
}
