package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// listenState is TCP_LISTEN in the kernel's tables.
const listenState = "0A"

// listening prints the ports that any program of this network namespace
// listens on, in order.
func listening() error {
	var ports []int64
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			return fmt.Errorf("read sockets: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			// sl, local address:port, remote address:port, state
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != listenState {
				continue
			}
			port, err := strconv.ParseInt(fields[1][strings.LastIndexByte(fields[1], ':')+1:], 16, 32)
			if err != nil {
				return fmt.Errorf("read %s: %w", table, err)
			}
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	for _, port := range slices.Compact(ports) {
		fmt.Println(port)
	}
	return nil
}
