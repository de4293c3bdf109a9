package node

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// Process is a process by number and start, so that a number used again is not
// mistaken for it.
type Process struct {
	PID int `json:"pid"`
	// Started is the time of its start in clock ticks since the machine's boot.
	Started string `json:"started"`
}

// processOf describes a running process.
func processOf(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The name in parentheses may hold spaces; proc(5) counts on after it.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("look at process %d: %d fields", pid, len(fields))
	}
	return Process{PID: pid, Started: fields[19]}, nil
}

// alive says whether it runs, or has ended and nobody has asked for its result.
func (p Process) alive() bool {
	now, err := processOf(p.PID)
	return p.PID > 0 && err == nil && now == p
}

// kill ends it and waits until it is gone.
func (p Process) kill(timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); p.alive(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("kill process %d: it is still there after %s", p.PID, timeout)
		}
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", p.PID, err)
		}
		// It may be a child of ours.
		syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil) //nolint:errcheck // ECHILD if it is not
	}
	return nil
}
