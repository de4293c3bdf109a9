package redirect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The two ends of the test's own network: a pod, and a machine beside it.
const (
	podIPv4, podIPv6   = "10.77.0.2", "fd77::2"
	peerIPv4, peerIPv6 = "10.77.0.1", "fd77::1"
)

// world is two network namespaces joined by a cable. In the pod's there listen
// the proxy's two ports and the application; in the peer's a server.
type world struct {
	pod, peer netns.NsHandle
}

// newWorld makes the namespaces; they vanish with the test's handles on them.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{pod: newNamespace(t), peer: newNamespace(t)}
	w.in(t, w.pod, func() error {
		cable := &netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: "eth0"},
			PeerName:      "eth0",
			PeerNamespace: netlink.NsFd(w.peer),
		}
		if err := netlink.LinkAdd(cable); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		return nil
	})
	w.in(t, w.peer, func() error { return setAddresses(peerIPv4, peerIPv6, "", "") })
	w.in(t, w.pod, func() error { return setAddresses(podIPv4, podIPv6, peerIPv4, peerIPv6) })
	w.listen(t, w.pod, "outbound", 15001)
	w.listen(t, w.pod, "inbound", 15006)
	w.listen(t, w.pod, "agent", 15020)
	w.listen(t, w.pod, "app", 8080)
	w.listen(t, w.pod, "app", 9000)
	w.listen(t, w.peer, "peer", 80)
	w.listen(t, w.peer, "peer", 3306)
	return w
}

func newNamespace(t *testing.T) netns.NsHandle {
	t.Helper()
	var handle netns.NsHandle
	done := make(chan error)
	go func() {
		// Never unlocked: the thread, now in another namespace, ends with
		// this goroutine.
		runtime.LockOSThread()
		var err error
		handle, err = netns.New()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("make network namespace (needs root): %v", err)
	}
	t.Cleanup(func() { _ = handle.Close() })
	return handle
}

// in runs f on a thread that is in the namespace.
func (w *world) in(t *testing.T, ns netns.NsHandle, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func setAddresses(ipv4, ipv6, gateway4, gateway6 string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, cidr := range []string{ipv4 + "/24", ipv6 + "/64"} {
		if err := addAddress(eth0, cidr); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(eth0); err != nil {
		return err
	}
	for _, gateway := range []string{gateway4, gateway6} {
		if gateway == "" {
			continue
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: net.ParseIP(gateway)}); err != nil {
			return fmt.Errorf("add route by %s: %w", gateway, err)
		}
	}
	return nil
}

func addAddress(link netlink.Link, cidr string) error {
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	// Without duplicate address detection the address serves at once.
	address.Flags = unix.IFA_F_NODAD
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("add address %s: %w", cidr, err)
	}
	return nil
}

// listen answers each connection with the name and the original destination.
func (w *world) listen(t *testing.T, ns netns.NsHandle, name string, port int) {
	t.Helper()
	var listener net.Listener
	w.in(t, ns, func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			destination, err := originalDestination(conn.(*net.TCPConn))
			if err != nil {
				destination = err.Error()
			}
			_, _ = fmt.Fprintf(conn, "%s %s", name, destination)
			_ = conn.Close()
		}
	}()
}

// caller is the process that opens a connection.
type caller struct {
	uid, gid int
	source   string
}

// dial says who answered at the address and which original destination the
// answering side read from its socket.
func (w *world) dial(t *testing.T, ns netns.NsHandle, c caller, address string) (who string) {
	t.Helper()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if c.source != "" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.source), 0))
	}
	w.in(t, ns, func() error {
		// These count for this thread alone, and a socket belongs to whom
		// its thread was when it was made.
		if err := unix.Setfsgid(c.gid); err != nil {
			return err
		}
		if err := unix.Setfsuid(c.uid); err != nil {
			return err
		}
		conn, err := dialer.DialContext(context.Background(), "tcp", address)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		answer, err := io.ReadAll(conn)
		who = string(answer)
		return err
	})
	return who
}

// originalDestination reads SO_ORIGINAL_DST as Envoy's listener filter does.
func originalDestination(conn *net.TCPConn) (string, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", err
	}
	var address netip.AddrPort
	var inner error
	err = raw.Control(func(fd uintptr) {
		if conn.LocalAddr().(*net.TCPAddr).IP.To4() != nil {
			// The structure returned is a sockaddr_in; this call has room
			// enough for it: family, port and address are the first 8 bytes.
			var m *unix.IPv6Mreq
			if m, inner = unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST); inner == nil {
				address = netip.AddrPortFrom(netip.AddrFrom4([4]byte(m.Multiaddr[4:8])), binary.BigEndian.Uint16(m.Multiaddr[2:4]))
			}
			return
		}
		var m *unix.IPv6MTUInfo
		if m, inner = unix.GetsockoptIPv6MTUInfo(int(fd), unix.SOL_IPV6, unix.SO_ORIGINAL_DST); inner == nil {
			// Sockaddr ports are big endian whatever the machine.
			port := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, m.Addr.Port))
			address = netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), port)
		}
	})
	if err == nil {
		err = inner
	}
	if errno := syscall.Errno(0); err != nil && !errors.As(err, &errno) {
		return "", fmt.Errorf("read original destination: %w", err)
	}
	return address.String(), err
}
