package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// anchors are the roots by which the agent trusts discovery: those that the pod
// was injected with, those in a file that kubelet keeps fresh, and those that
// came with the last certificate, which are kept in a file of the pod's own.
// Any of them will do, so that a container that starts again after a rotation
// is not locked out.
type anchors struct {
	// pem is from injection; kept and mounted are files that need not exist.
	pem, kept, mounted string
}

// all are the roots of now, PEM. No root at all is an error.
func (a *anchors) all() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(a.pem + "\n")
	for _, file := range []string{a.kept, a.mounted} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read mesh roots: %w", err)
		}
		out.Write(append(text, '\n'))
	}
	if len(bytes.TrimSpace(out.Bytes())) == 0 {
		return nil, fmt.Errorf("read mesh roots: neither MESH_ROOT_CERT nor %s has any", a.mounted)
	}
	return out.Bytes(), nil
}

// learn keeps the roots that came with a certificate, in place of older ones.
func (a *anchors) learn(roots []byte) error {
	next := a.kept + ".next"
	if err := os.WriteFile(next, roots, 0o600); err != nil {
		return fmt.Errorf("keep mesh roots: %w", err)
	}
	if err := os.Rename(next, a.kept); err != nil {
		return fmt.Errorf("keep mesh roots: %w", err)
	}
	return nil
}
