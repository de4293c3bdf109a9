package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
)

// anchors are the roots by which the agent trusts discovery: those that the pod
// was injected with, those in a file that kubelet keeps fresh, and those that
// came with the last certificate. Any of them will do, so that a rotation that
// the pod slept through does not lock it out. It may be used concurrently.
type anchors struct {
	pem, file string

	mu      sync.Mutex
	learned []byte
}

// all are the roots of now, PEM. No root at all is an error.
func (a *anchors) all() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(a.pem + "\n")
	if a.file != "" {
		text, err := os.ReadFile(a.file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read mesh roots: %w", err)
		}
		out.Write(append(text, '\n'))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out.Write(a.learned)
	if len(bytes.TrimSpace(out.Bytes())) == 0 {
		return nil, fmt.Errorf("read mesh roots: neither MESH_ROOT_CERT nor %s has any", a.file)
	}
	return out.Bytes(), nil
}

func (a *anchors) learn(roots []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learned = roots
}
