package bootstrap

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/meshwright/meshwright/internal/spiffe"
)

// Role is what kind of proxy this is; it begins the node id.
type Role string

// The roles, as Istio writes them.
const (
	Sidecar Role = "sidecar"
	Router  Role = "router"
)

// The names of the secrets on the agent's socket. The first two are Istio's;
// generated listeners and clusters refer to them.
const (
	// SecretIdentity is the workload's SVID with its key.
	SecretIdentity = "default"
	// SecretRoots validates peers in the mesh, by SPIFFE trust domain.
	SecretRoots = "ROOTCA"
	// SecretDiscovery validates discovery, by DNS name: Envoy's SPIFFE validator
	// looks at URI names only.
	SecretDiscovery = "discovery-root"
)

// The names of the static clusters. SDSCluster and XDSCluster are Istio's.
const (
	SDSCluster   = "sds-grpc"
	XDSCluster   = "xds-grpc"
	agentCluster = "agent"
	statsCluster = "prometheus_stats"
)

// The paths that the two static listeners answer.
const (
	ReadyPath = "/healthz/ready"
	StatsPath = "/stats/prometheus"
)

// Ports are those of one proxy, Istio's by default.
type Ports struct {
	// Admin and Status are on loopback: Envoy's own, and the agent's as Envoy
	// dials it.
	Admin, Status int
	// Health and Stats are for kubelet and Prometheus.
	Health, Stats int
}

// DefaultPorts are what pods use; tests need others.
func DefaultPorts() Ports { return Ports{Admin: 15000, Status: 15020, Health: 15021, Stats: 15090} }

// Config is what a bootstrap depends on.
type Config struct {
	Role           Role
	Pod, Namespace string
	ServiceAccount string
	// Workload and Owner are the pod's controller: its name, and
	// kubernetes://apis/… as Istio writes it; Owner may be empty.
	Workload, Owner string
	Labels          map[string]string
	Annotations     map[string]string
	// IP is the pod's address, v4 or v6.
	IP            string
	TrustDomain   string
	ClusterID     string
	ClusterDomain string
	// Revision may be empty.
	Revision string
	// Version is the product's.
	Version string
	// Discovery is host:port; its certificate must be for that host.
	Discovery string
	// SDSSocket is the path of the agent's Unix socket.
	SDSSocket   string
	Concurrency int
	Ports       Ports
}

// check reports the first thing that Envoy or discovery could not work with.
func (c *Config) check() error {
	if c.Role != Sidecar && c.Role != Router {
		return fmt.Errorf("role %q is neither sidecar nor router", c.Role)
	}
	if _, err := netip.ParseAddr(c.IP); err != nil {
		return fmt.Errorf("pod address: %w", err)
	}
	id := spiffe.ID{TrustDomain: c.TrustDomain, Namespace: c.Namespace, ServiceAccount: c.ServiceAccount}
	if err := id.Validate(); err != nil {
		return err
	}
	if c.Pod == "" || c.SDSSocket == "" {
		return fmt.Errorf("pod name %q or socket %q is empty", c.Pod, c.SDSSocket)
	}
	_, _, err := c.discovery()
	return err
}

// discovery is the address in its parts.
func (c *Config) discovery() (host string, port uint32, err error) {
	host, text, err := net.SplitHostPort(c.Discovery)
	if err != nil {
		return "", 0, fmt.Errorf("discovery address: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("discovery address %q: want host:port", c.Discovery)
	}
	return host, uint32(n), nil
}

// V6 is true for a pod whose address is IPv6.
func (c *Config) V6() bool {
	addr, err := netip.ParseAddr(c.IP)
	return err == nil && addr.Is6() && !addr.Is4In6()
}

// NodeID is how proxies are known on the wire:
// role~IP~pod.namespace~namespace.svc.domain, as Istio writes it.
func (c *Config) NodeID() string {
	return fmt.Sprintf("%s~%s~%s.%s~%s.svc.%s", c.Role, c.IP, c.Pod, c.Namespace, c.Namespace, c.ClusterDomain)
}
