package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// hierarchy is a tree of cgroups, with a folder at its root and the options with
// which it is mounted.
type hierarchy struct{ folder, options string }

// hierarchies are the trees in which a cluster has a cgroup: the one unified
// tree, or one for each set of controllers and systemd's (version 1; the kubelet
// wants them all).
func hierarchies() ([]hierarchy, error) {
	if unified() {
		return []hierarchy{{folder: cgroupRoot}}, nil
	}
	lines, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	var trees []hierarchy
	for line := range strings.Lines(string(lines)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(fields) != 3 || fields[1] == "" {
			continue // the unified tree of a mixed machine holds no controller
		}
		tree := hierarchy{folder: filepath.Join(cgroupRoot, strings.TrimPrefix(fields[1], "name=")), options: fields[1]}
		if strings.HasPrefix(fields[1], "name=") {
			tree.options = "none," + fields[1]
		}
		if _, err := os.Stat(tree.folder); err == nil {
			trees = append(trees, tree)
		}
	}
	if len(trees) == 0 {
		return nil, errors.New("list cgroups: none is mounted at " + cgroupRoot)
	}
	return trees, nil
}

func unified() bool {
	_, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers"))
	return err == nil
}

// createCgroup makes the cluster's cgroup in each hierarchy.
func createCgroup(name string) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	for _, tree := range trees {
		group := filepath.Join(tree.folder, name)
		if err := os.MkdirAll(group, 0o755); err != nil {
			return fmt.Errorf("create cgroup %s: %w", group, err)
		}
		// Version 1: without processors and memory nodes a cpuset takes no process.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(tree.folder, file))
			if err != nil || unified() {
				continue
			}
			if err := os.WriteFile(filepath.Join(group, file), value, 0o600); err != nil {
				return fmt.Errorf("fill %s: %w", file, err)
			}
		}
	}
	return nil
}

// enterCgroup moves the calling process into the cluster's cgroup.
func enterCgroup(name string) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	for _, tree := range trees {
		file := filepath.Join(tree.folder, name, "cgroup.procs")
		if err := os.WriteFile(file, []byte("0"), 0o600); err != nil {
			return fmt.Errorf("enter %s: %w", file, err)
		}
	}
	return nil
}

// mountSys mounts /sys anew, for the network namespace, and the cgroups in it, so
// that the cluster's cgroup is the root of what is seen. The caller is in a
// mount and cgroup namespace of its own.
func mountSys() error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	version2 := unified()
	if err := mount("sysfs", "/sys", "sysfs", ""); err != nil {
		return err
	}
	if version2 {
		return mountUnified()
	}
	if err := mount("tmpfs", cgroupRoot, "tmpfs", "mode=755"); err != nil {
		return err
	}
	for _, tree := range trees {
		if err := os.Mkdir(tree.folder, 0o755); err != nil {
			return fmt.Errorf("create %s: %w", tree.folder, err)
		}
		if err := mount("cgroup", tree.folder, "cgroup", tree.options); err != nil {
			return err
		}
	}
	return nil
}

// mountUnified mounts the one tree of version 2. A cgroup that hands its
// controllers on may hold no process, so this one moves into a child.
func mountUnified() error {
	if err := mount("cgroup2", cgroupRoot, "cgroup2", ""); err != nil {
		return err
	}
	if err := os.Mkdir(cgroupRoot+"/init", 0o755); err != nil {
		return fmt.Errorf("create a cgroup for init: %w", err)
	}
	if err := os.WriteFile(cgroupRoot+"/init/cgroup.procs", []byte("0"), 0o600); err != nil {
		return fmt.Errorf("enter the cgroup of init: %w", err)
	}
	controllers, err := os.ReadFile(cgroupRoot + "/cgroup.controllers")
	if err != nil {
		return fmt.Errorf("list controllers: %w", err)
	}
	for _, controller := range strings.Fields(string(controllers)) {
		if err := os.WriteFile(cgroupRoot+"/cgroup.subtree_control", []byte("+"+controller), 0o600); err != nil {
			return fmt.Errorf("hand controller %s on: %w", controller, err)
		}
	}
	return nil
}

// removeCgroup kills every process in the cluster's cgroup (all were started by
// it) and removes the cgroup with those below it.
func removeCgroup(name string, timeout time.Duration) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(timeout)
	for _, tree := range trees {
		for {
			err := removeTree(filepath.Join(tree.folder, name))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("remove cgroup %s of %s: %w", name, tree.folder, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func removeTree(group string) error {
	var groups []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(groups) // a child goes before its parent
	var failed error
	for _, path := range groups {
		procs, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, field := range strings.Fields(string(procs)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
			}
		}
		if err := syscall.Rmdir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
