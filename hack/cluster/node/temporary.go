package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const temporaryPrefix = "run-"

// TemporaryName is the name of a cluster that lives as long as this process.
func TemporaryName() string { return temporaryPrefix + strconv.Itoa(os.Getpid()) }

// StopAbandoned stops temporary clusters whose process is gone: it was killed
// before it could stop them.
func StopAbandoned(out io.Writer) error {
	dir, err := clustersDir()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("list clusters: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(strings.TrimPrefix(entry.Name(), temporaryPrefix))
		if err != nil || !strings.HasPrefix(entry.Name(), temporaryPrefix) || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		cluster, err := New(entry.Name())
		if err != nil {
			return err
		}
		if err := Stop(cluster, out); err != nil {
			return err
		}
		// Nobody will ask for these logs any more.
		if err := errors.Join(os.RemoveAll(cluster.Dir), os.Remove(cluster.Dir+".lock")); err != nil {
			return fmt.Errorf("remove %s: %w", cluster.Name, err)
		}
	}
	return nil
}
