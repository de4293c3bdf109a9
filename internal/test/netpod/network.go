package netpod

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// A Pod is a network namespace with an address. Its methods may be used
// concurrently; they follow one after the other.
type Pod struct {
	// IP is its address on the network.
	IP   string
	work chan func()
}

// newPod makes a namespace and a thread that stays in it until the test ends.
func newPod(t testing.TB) *Pod {
	t.Helper()
	p := &Pod{work: make(chan func())}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		_, err := netns.New()
		made <- err
		for f := range p.work {
			f()
		}
	}()
	t.Cleanup(func() { close(p.work) })
	if err := <-made; err != nil {
		t.Fatalf("make network namespace (needs root): %v", err)
	}
	return p
}

// Run runs f in the namespace: sockets that it opens are the pod's.
func (p *Pod) Run(f func() error) error {
	done := make(chan error)
	p.work <- func() { done <- f() }
	return <-done
}

// Do is Run, and ends the test with an error.
func (p *Pod) Do(t testing.TB, f func() error) {
	t.Helper()
	if err := p.Run(f); err != nil {
		t.Fatal(err)
	}
}

// Network makes pods with these IPv4 addresses, of one /24, until the test ends.
func Network(t testing.TB, ips ...string) []*Pod {
	t.Helper()
	bridge := newPod(t)
	bridge.Do(t, func() error {
		return errors.Join(
			netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}),
			up("br0"))
	})
	var pods []*Pod
	for i, ip := range ips {
		p := newPod(t)
		p.IP = ip
		var inside netns.NsHandle
		p.Do(t, func() (err error) {
			inside, err = netns.Get()
			return err
		})
		port := fmt.Sprintf("port%d", i)
		bridge.Do(t, func() error {
			if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: "eth0", PeerNamespace: netlink.NsFd(inside)}); err != nil {
				return err
			}
			br, err := netlink.LinkByName("br0")
			if err != nil {
				return err
			}
			link, err := netlink.LinkByName(port)
			if err != nil {
				return err
			}
			return errors.Join(netlink.LinkSetMaster(link, br), up(port))
		})
		p.Do(t, func() error { return errors.Join(up("lo"), address(ip), defaultRoute()) })
		pods = append(pods, p)
	}
	return pods
}

// AddAddress gives the pod a further address.
func (p *Pod) AddAddress(t testing.TB, ip string) {
	t.Helper()
	p.Do(t, func() error { return address(ip) })
}

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func address(ip string) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(ip + "/24")
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
}

// defaultRoute makes services' addresses routable, as they are in a pod.
func defaultRoute() error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}})
}
