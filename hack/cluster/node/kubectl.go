package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/meshwright/meshwright/internal/test/assets"
)

// kubectl runs our own kubectl against the cluster. The error has what it
// printed.
func (c Cluster) kubectl(ctx context.Context, args ...string) error {
	path, err := assets.Find("kubectl")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(string(printed)))
	}
	return nil
}

// tail is the end of a program's log.
func (c Cluster) tail(name string) string {
	const most = 2000
	log, err := os.ReadFile(c.path("log", name+".log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-most):])
}
