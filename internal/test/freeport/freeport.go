package freeport

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports are taken from below those that the kernel gives to connections on
// their way out (32768 on Linux): one of these may be taken by a stranger
// between the moment it was found free and that in which it is listened on.
const first, count = 10240, 19760

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// Take is a port on which nobody listens, and which nobody else in this process
// was given. It may be called concurrently.
func Take(t testing.TB) int {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(count) //nolint:gosec // no secret
		if !given[port] && free(t.Context(), port) {
			given[port] = true
			return port
		}
	}
	t.Fatal("find a free port: a thousand are taken")
	return 0
}

// Address is loopback with a free port.
func Address(t testing.TB) string {
	t.Helper()
	return address(Take(t))
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func free(ctx context.Context, port int) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
