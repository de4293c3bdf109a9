//go:build e2e

package traffic

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// patience is what a client waits for a greeting: less than Envoy's own wait
// for the first byte of a client.
const patience = 10 * time.Second

func testServerFirst(t *testing.T, w *world) {
	address := "server." + w.shop + ":9000"
	for namespace, from := range map[string]string{w.shop: client, w.outside: stranger} {
		if greeting, err := w.Greet(t, namespace, from, address); !strings.HasPrefix(greeting, "hello from server-") {
			t.Errorf("%s heard %q, %v; want the greeting", from, greeting, err)
		}
	}
	// No Pod has the address of this machine.
	for _, pod := range w.pods(t, w.shop, "app=server") {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(pod.Status.PodIP, "9000"), patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // only read
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello from "+pod.Name+"\n" {
			t.Errorf("heard %q from %s, %v; want its greeting", line, pod.Name, err)
		}
	}
}
