package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/meshwright/meshwright/hack/cluster/lockfile"
)

// stopTimeout bounds the wait for the kernel to end and remove things.
const stopTimeout = time.Minute

// Stop ends the cluster and removes all of it but its logs. It is no error when
// there is nothing to stop.
func Stop(c Cluster, out io.Writer) error {
	unlock, err := lockfile.Acquire(out, c.Dir+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.stop(); err != nil {
		return fmt.Errorf("stop %s: %w", c.Name, err)
	}
	fmt.Fprintf(out, "%s: stopped\n", c.Name)
	return nil
}

// stop kills the first process, with which the kernel ends all others of its
// namespace, and waits until they are gone.
func (c Cluster) stop() error {
	s, err := c.readState()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// The cgroup knows processes that a Start wrote down no more.
	return errors.Join(
		s.Init.kill(stopTimeout),
		removeCgroup(c.cgroup(), stopTimeout),
		removeLink(c.Link()),
		c.removeFiles(),
	)
}

// removeFiles leaves the logs.
func (c Cluster) removeFiles() error {
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("list files: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == "log" {
			continue
		}
		if err := os.RemoveAll(c.path(entry.Name())); err != nil {
			return fmt.Errorf("remove files: %w", err)
		}
	}
	return nil
}
