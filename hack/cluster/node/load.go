package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/hack/cluster/images"
)

const (
	containerdSocket = "/run/containerd/containerd.sock"
	// ctrTimeout bounds one command; the largest image takes seconds.
	ctrTimeout = 3 * time.Minute
)

// importAll loads archives from inside the cluster's namespaces, as soon as
// containerd answers.
func importAll(ctx context.Context, s state) error {
	if err := waitFor(ctx, func(context.Context) error {
		_, err := os.Stat(containerdSocket)
		return err
	}); err != nil {
		return fmt.Errorf("wait for containerd: %w", err)
	}
	for _, path := range s.Images {
		if _, err := s.ctr(ctx, containerdSocket, "images", "import", "--local", path); err != nil {
			return err
		}
	}
	return nil
}

// Load gives images to a running cluster. Those that it has are not loaded
// again; a name is moved to the newer image.
func Load(ctx context.Context, c Cluster, archives ...images.Archive) error {
	s, err := c.readState()
	if err != nil || !s.Init.alive() {
		return errors.Join(fmt.Errorf("load images into %s: it does not run", c.Name), err)
	}
	// Another mount namespace's files are seen through its first process.
	socket := fmt.Sprintf("/proc/%d/root%s", s.Init.PID, containerdSocket)
	listed, err := s.ctr(ctx, socket, "images", "list")
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if hasImage(listed, archive) {
			continue
		}
		if _, err := s.ctr(ctx, socket, "images", "import", "--local", archive.Path); err != nil {
			return err
		}
	}
	return nil
}

// hasImage says whether a line of `ctr images list` has the image's name and
// digest.
func hasImage(listed string, archive images.Archive) bool {
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line) // name, type, digest, …
		if len(fields) > 2 && fields[0] == archive.Ref && fields[2] == archive.Digest {
			return true
		}
	}
	return false
}

// ctr runs containerd's own client.
func (s state) ctr(ctx context.Context, socket string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ctrTimeout)
	defer cancel()
	args = append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)
	cmd := exec.CommandContext(ctx, s.Programs["ctr"], args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	printed, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args[4:], " "), err, printed)
	}
	return string(printed), nil
}
