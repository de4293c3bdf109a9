package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// initFD is the descriptor on which the first process hears that its network is
// connected.
const initFD = 3

// Init is the first process of a cluster. It waits until Start has written the
// state and connected the network, gives the namespaces their mounts, starts
// the supervisor and reaps every process that loses its parent. It returns when
// the supervisor has ended, and all others end with it.
func Init(c Cluster) error {
	// The cgroup namespace belongs to a thread; its children inherit it.
	runtime.LockOSThread()
	started := os.NewFile(initFD, "started")
	if _, err := io.ReadFull(started, make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the network: %w", err)
	}
	if err := started.Close(); err != nil {
		return fmt.Errorf("wait for the network: %w", err)
	}
	s, err := c.readState()
	if err != nil {
		return err
	}
	if err := enterCgroup(c.cgroup()); err != nil {
		return err
	}
	if err := syscall.Unshare(syscall.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unshare the cgroup namespace: %w", err)
	}
	if err := c.mountAll(); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(c.NodeName())); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := configureNetwork(s.Slot); err != nil {
		return err
	}
	return reapUntilEnd(exec.Command("/proc/self/exe", "supervise", c.Name))
}

// reapUntilEnd starts a command and waits for every process until it has ended.
func reapUntilEnd(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("wait for processes: %w", err)
		case pid == cmd.Process.Pid:
			return fmt.Errorf("supervisor ended with status %d", status.ExitStatus())
		}
	}
}

// mountAll gives the mount namespace what differs from the machine's. Nothing of
// it is seen outside, and all of it goes with the last process.
func (c Cluster) mountAll() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := mountSys(); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", ""); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", "mode=755"); err != nil {
		return err
	}
	for target, source := range map[string]string{"/var/lib": c.path("lib"), "/var/log": c.path("log")} {
		if err := bind(source, target); err != nil {
			return err
		}
	}
	if err := c.pinKernelSettings(); err != nil {
		return err
	}
	// Kubernetes wants mounts to spread to and from containers.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	return nil
}

// pinKernelSettings hides the kernel's settings that the kubelet would change
// for the whole machine behind files that have the values it wants.
func (c Cluster) pinKernelSettings() error {
	settings := map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
		"kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	}
	for setting, value := range settings {
		target := filepath.Join("/proc/sys", setting)
		if _, err := os.Stat(target); errors.Is(err, os.ErrNotExist) {
			continue
		}
		source := c.path("sysctl", setting)
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return fmt.Errorf("create the folder of %s: %w", setting, err)
		}
		if err := os.WriteFile(source, []byte(value+"\n"), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", setting, err)
		}
		if err := bind(source, target); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind, data string) error {
	if err := syscall.Mount(source, target, kind, 0, data); err != nil {
		return fmt.Errorf("mount %s at %s: %w", kind, target, err)
	}
	return nil
}

func bind(source, target string) error {
	if err := syscall.Mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	return nil
}
