package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
)

// size says how large a mesh is, and which of that size.
type size struct {
	// Services are HTTP but the last TCP of them; each has Endpoints addresses
	// without a pod, and the sidecars' pods that back it.
	Services  int `json:"services"`
	TCP       int `json:"tcpServices"`
	Endpoints int `json:"endpointsPerService"`
	// Namespaces share the services evenly, and the first SidecarNamespaces of
	// them the sidecars.
	Namespaces        int `json:"namespaces"`
	VirtualServices   int `json:"virtualServices"`
	Sidecars          int `json:"sidecars"`
	SidecarNamespaces int `json:"sidecarNamespaces"`
	// Seed decides what is drawn. The same size gives the same mesh.
	Seed uint64 `json:"seed"`
}

// check says what is wrong with a size.
func (s size) check() error {
	switch {
	case s.Services < 1 || s.Namespaces < 1 || s.Services < s.Namespaces:
		return fmt.Errorf("%d services in %d namespaces: want at least one in each", s.Services, s.Namespaces)
	case s.TCP >= s.Services || s.VirtualServices > s.Services-s.TCP:
		return fmt.Errorf("%d TCP services and %d VirtualServices of %d services: VirtualServices need an HTTP service each", s.TCP, s.VirtualServices, s.Services)
	case s.VirtualServices < 1:
		return fmt.Errorf("%d VirtualServices: want one to change", s.VirtualServices)
	case s.Endpoints < 1:
		return fmt.Errorf("%d endpoints for each service: want one to change", s.Endpoints)
	case s.Sidecars < 1 || s.SidecarNamespaces < 1 || s.SidecarNamespaces > s.Namespaces:
		return fmt.Errorf("%d sidecars in %d of %d namespaces: want one or more in existing ones", s.Sidecars, s.SidecarNamespaces, s.Namespaces)
	case s.Services+s.Endpoints*s.Services+s.Sidecars > 1<<20:
		return fmt.Errorf("%d services and %d sidecars need too many addresses", s.Services, s.Sidecars)
	}
	return nil
}

// rootNamespace is where a server keeps what is its own.
const (
	rootNamespace = "mesh-system"
	domain        = "cluster.local"
	zones         = 3
	httpPort      = 80
	tcpPort       = 9000
)

// Where addresses are counted from: of Services, of endpoints without a pod, of
// pods, and of endpoints that a change brings.
var (
	serviceAddresses  = netip.MustParseAddr("10.96.1.0")
	endpointAddresses = netip.MustParseAddr("10.128.0.0")
	podAddresses      = netip.MustParseAddr("10.192.0.0")
	freshAddresses    = netip.MustParseAddr("10.224.0.0")
)

// address is the n-th after base.
func address(base netip.Addr, n int) string {
	b := base.As4()
	v := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	v += n
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
}

// meshOf is a generated mesh.
type meshOf struct {
	size
	services []service
	sidecars []sidecar
	// routed are the services that have a VirtualService, in its order.
	routed []int
}

// service is a Service, its addresses and what backs it.
type service struct {
	name, namespace string
	tcp             bool
	// number is its place, which its addresses follow from.
	number int
	zones  []int
	// pods are places in sidecars.
	pods []int
}

func (s service) host() string { return s.name + "." + s.namespace + ".svc." + domain }

func (s service) port() int32 {
	if s.tcp {
		return tcpPort
	}
	return httpPort
}

// sidecar is a pod with a proxy.
type sidecar struct {
	name, namespace, app, address string
	zone                          int
}

func namespaceName(i int) string { return fmt.Sprintf("bench-%03d", i) }

// generate makes the mesh of a size that was checked.
func generate(s size) *meshOf {
	r := rand.New(rand.NewPCG(s.Seed, s.Seed)) //nolint:gosec // the same mesh each time
	m := &meshOf{size: s}
	for i := range s.Services {
		one := service{
			name: fmt.Sprintf("svc-%04d", i), namespace: namespaceName(i % s.Namespaces),
			tcp: i >= s.Services-s.TCP, number: i,
		}
		for range s.Endpoints {
			one.zones = append(one.zones, r.IntN(zones))
		}
		m.services = append(m.services, one)
	}
	for i := range s.Sidecars {
		place := i % s.SidecarNamespaces
		// The services of a namespace are every Namespaces-th one.
		there := (s.Services - place + s.Namespaces - 1) / s.Namespaces
		backs := &m.services[place+(i/s.SidecarNamespaces)%there*s.Namespaces]
		backs.pods = append(backs.pods, i)
		m.sidecars = append(m.sidecars, sidecar{
			name: fmt.Sprintf("%s-%04d", backs.name, i), namespace: backs.namespace, app: backs.name,
			address: address(podAddresses, i), zone: r.IntN(zones),
		})
	}
	m.routed = r.Perm(s.Services - s.TCP)[:s.VirtualServices]
	return m
}

// objects is the whole mesh, in an order in which it can be created.
func (m *meshOf) objects() []object {
	out := []object{namespace(rootNamespace)}
	for i := range m.Namespaces {
		out = append(out, namespace(namespaceName(i)))
	}
	for zone := range zones {
		out = append(out, node(zone))
	}
	for _, s := range m.sidecars {
		out = append(out, s.pod())
	}
	for _, s := range m.services {
		out = append(out, s.service(), m.slice(s))
	}
	for i := range m.routed {
		out = append(out, m.virtualService(i, 5))
	}
	return out
}
