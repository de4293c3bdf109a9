package cmd

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
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

// config is the file as a value of the mesh.
func (f meshFile) config() *mesh.Config {
	return &mesh.Config{
		TrustDomain: f.TrustDomain, ClusterID: f.ClusterID, ClusterDomain: f.ClusterDomain,
		RootNamespace: f.RootNamespace, MTLS: mesh.MTLSMode(f.MTLS),
		OutboundAllowAny: f.OutboundTrafficPolicy == "AllowAny",
	}
}
