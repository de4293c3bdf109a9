package node

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// Slot is a cluster's part of the address plan, 10.<slot>.0.0/16:
//
//	10.<slot>.0.0/20     Pods
//	10.<slot>.128.0/20   Services; .128.1 is the API server, .128.10 DNS
//	10.<slot>.255.0/30   the veth pair: .1 the machine, .2 the node
type Slot int

const firstSlot, lastSlot Slot = 192, 254

func (s Slot) address(rest string) string { return fmt.Sprintf("10.%d.%s", int(s), rest) }

// Network holds all addresses of the cluster, in CIDR form.
func (s Slot) Network() string { return s.address("0.0/16") }

// Pods is the range of the Pods' addresses.
func (s Slot) Pods() string { return s.address("0.0/20") }

// Services is the range of the Services' addresses.
func (s Slot) Services() string { return s.address("128.0/20") }

// APIService is the address of the Service "kubernetes".
func (s Slot) APIService() string { return s.address("128.1") }

// DNS is the address of the Service "kube-dns".
func (s Slot) DNS() string { return s.address("128.10") }

// Machine is the address at which Pods reach processes outside the cluster.
func (s Slot) Machine() string { return s.address("255.1") }

// Node is the address of the node, where NodePorts are.
func (s Slot) Node() string { return s.address("255.2") }

// freeSlot is the first slot that no route and no address of this machine
// overlaps. The caller holds the lock of all clusters.
func freeSlot() (Slot, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list routes: %w", err)
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	var taken []*net.IPNet
	for _, route := range routes {
		if route.Dst != nil {
			if ones, _ := route.Dst.Mask.Size(); ones > 0 { // the default route overlaps everything
				taken = append(taken, route.Dst)
			}
		}
	}
	for _, address := range addresses {
		taken = append(taken, address.IPNet)
	}
	for slot := firstSlot; slot <= lastSlot; slot++ {
		_, network, err := net.ParseCIDR(slot.Network())
		if err != nil {
			return 0, fmt.Errorf("plan addresses: %w", err)
		}
		if !overlaps(network, taken) {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("plan addresses: no free network between %s and %s", firstSlot.Network(), lastSlot.Network())
}

func overlaps(network *net.IPNet, others []*net.IPNet) bool {
	for _, other := range others {
		if network.Contains(other.IP) || other.Contains(network.IP) {
			return true
		}
	}
	return false
}

// connect makes the veth pair between this machine and the network namespace of
// a process, and the route to everything inside.
func connect(name string, slot Slot, pid int) error {
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "eth0", PeerNamespace: netlink.NsPid(pid)}
	pair.Name = name
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("create interface %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	if err := setUp(link, slot.Machine()+"/30"); err != nil {
		return err
	}
	_, network, err := net.ParseCIDR(slot.Network())
	if err != nil {
		return fmt.Errorf("route to the node: %w", err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: network, Gw: net.ParseIP(slot.Node())}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("route to the node: %w", err)
	}
	return nil
}

func setUp(link netlink.Link, cidr string) error {
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		return fmt.Errorf("read address %s: %w", cidr, err)
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("give %s the address %s: %w", link.Attrs().Name, cidr, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// configureNetwork sets up the inside: loopback, eth0, forwarding.
func configureNetwork(slot Slot) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find eth0: %w", err)
	}
	if err := setUp(eth0, slot.Node()+"/30"); err != nil {
		return err
	}
	if err := routeServices(eth0, slot); err != nil {
		return err
	}
	for _, setting := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := os.WriteFile("/proc/sys/net/"+setting, []byte("1"), 0o600); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("forward packets: %w", err)
		}
	}
	return nil
}

// routeServices gives the node a route to the Services' addresses. Where it leads
// does not matter: kube-proxy's rules turn such packets to a Pod, but only after
// the kernel found a route, and there is no default route here. The API server
// reaches webhooks that way.
func routeServices(eth0 netlink.Link, slot Slot) error {
	_, services, err := net.ParseCIDR(slot.Services())
	if err != nil {
		return fmt.Errorf("route to Services: %w", err)
	}
	route := &netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: services, Gw: net.ParseIP(slot.Machine())}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("route to Services: %w", err)
	}
	return nil
}

// removeLink removes the machine's end of the pair if it is there; the kernel
// does the same, a little later, when the namespace of the other end goes.
func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	if _, missing := err.(netlink.LinkNotFoundError); missing { //nolint:errorlint // returned as it is
		return nil
	}
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		if _, err := netlink.LinkByName(name); err != nil {
			return nil
		}
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}
