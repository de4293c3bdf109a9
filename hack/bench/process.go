package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process reads what a running process used. It needs no rights over it.
type process int

// usage is what a process used up to now.
type usage struct {
	// cpu is that of all threads, also of those that ended.
	cpu time.Duration
	// resident memory now, the part of it that is not the program's own file, and
	// its highest value so far, in bytes.
	resident, anonymous, peak int64
}

// usage returns an error once the process is gone.
func (p process) usage() (usage, error) {
	var now unix.Timespec
	// The id of a process's CPU clock, as clock_getcpuclockid(3) makes it.
	clock := int32(^int(p)<<3 | 2)
	if err := unix.ClockGettime(clock, &now); err != nil {
		return usage{}, fmt.Errorf("read the CPU time of process %d: %w", p, err)
	}
	u := usage{cpu: time.Duration(now.Nano())}
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		return usage{}, fmt.Errorf("read the memory of process %d: %w", p, err)
	}
	defer func() { _ = status.Close() }() // only read
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		into := map[string]*int64{"VmRSS": &u.resident, "RssAnon": &u.anonymous, "VmHWM": &u.peak}[name]
		if into == nil {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read the memory of process %d: %w", p, err)
		}
		*into = kilobytes << 10
	}
	return u, lines.Err()
}
