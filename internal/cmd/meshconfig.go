package cmd

import (
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
)

// meshFile is the file of --mesh-config, which the operator writes.
type meshFile struct {
	Install               string   `json:"install"`
	Revision              string   `json:"revision"`
	TrustDomain           string   `json:"trustDomain"`
	ClusterID             string   `json:"clusterID"`
	ClusterDomain         string   `json:"clusterDomain"`
	RootNamespace         string   `json:"rootNamespace"`
	MTLS                  string   `json:"mtls"`
	OutboundTrafficPolicy string   `json:"outboundTrafficPolicy"`
	RootNamespaces        []string `json:"rootNamespaces"`
	// GatewayNamespaces are those whose TLS Secrets discovery may read.
	GatewayNamespaces []string `json:"gatewayNamespaces"`
	// DiscoverySelectors select the namespaces that belong to the mesh beside
	// RootNamespaces, as Istio's do; one that matches is enough. Without any all
	// belong to it.
	DiscoverySelectors []metav1.LabelSelector `json:"discoverySelectors"`
}

// readMeshFile reads the file strictly; "" gives Istio's defaults.
func readMeshFile(path string) (meshFile, error) {
	f := meshFile{
		TrustDomain: "cluster.local", ClusterID: "Kubernetes", ClusterDomain: "cluster.local",
		RootNamespace: "mesh-system", MTLS: string(mesh.MTLSPermissive), OutboundTrafficPolicy: "AllowAny",
	}
	if path == "" {
		return f, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("read mesh configuration: %w", err)
	}
	if err := yaml.UnmarshalStrict(text, &f); err != nil {
		return f, fmt.Errorf("read mesh configuration %s: %w", path, err)
	}
	switch mesh.MTLSMode(f.MTLS) {
	case mesh.MTLSDisable, mesh.MTLSPermissive, mesh.MTLSStrict:
	default:
		return f, fmt.Errorf("%s: mtls is Disable, Permissive or Strict, not %q", path, f.MTLS)
	}
	switch f.OutboundTrafficPolicy {
	case "AllowAny", "RegistryOnly":
	default:
		return f, fmt.Errorf("%s: outboundTrafficPolicy is AllowAny or RegistryOnly, not %q", path, f.OutboundTrafficPolicy)
	}
	return f, nil
}

// scope is the part of the cluster that the file gives to the mesh.
func (f meshFile) scope() (source.Scope, error) {
	s := source.Scope{Own: append([]string{f.RootNamespace}, f.RootNamespaces...)}
	for i := range f.DiscoverySelectors {
		selector, err := metav1.LabelSelectorAsSelector(&f.DiscoverySelectors[i])
		if err != nil {
			return s, fmt.Errorf("read discoverySelectors[%d] of the mesh configuration: %w", i, err)
		}
		s.Selectors = append(s.Selectors, selector)
	}
	return s, nil
}

// config is the file as a value of the mesh.
func (f meshFile) config() *mesh.Config {
	return &mesh.Config{
		TrustDomain: f.TrustDomain, ClusterID: f.ClusterID, ClusterDomain: f.ClusterDomain,
		RootNamespace: f.RootNamespace, MTLS: mesh.MTLSMode(f.MTLS),
		OutboundAllowAny: f.OutboundTrafficPolicy == "AllowAny",
	}
}
