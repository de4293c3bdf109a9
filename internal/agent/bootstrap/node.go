package bootstrap

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// istioVersion is the Istio whose APIs and node metadata we speak; tools and
// EnvoyFilters look at it.
const istioVersion = "1.31.1"

// node is how this Envoy introduces itself. Discovery believes its metadata
// only on the development address; elsewhere it is for people and tools.
func node(c *Config) (*corev3.Node, error) {
	metadata, err := structpb.NewStruct(map[string]any{
		"NAME":            c.Pod,
		"NAMESPACE":       c.Namespace,
		"SERVICE_ACCOUNT": c.ServiceAccount,
		"WORKLOAD_NAME":   c.Workload,
		"OWNER":           c.Owner,
		"CLUSTER_ID":      c.ClusterID,
		"MESH_ID":         c.TrustDomain,
		"INSTANCE_IPS":    c.IP,
		"LABELS":          values(c.Labels, nil),
		// Last-applied configurations are large and tell nothing new.
		"ANNOTATIONS":        values(c.Annotations, func(key string) bool { return strings.HasSuffix(key, "/last-applied-configuration") }),
		"ISTIO_VERSION":      istioVersion,
		"MESHWRIGHT_VERSION": c.Version,
		"REVISION":           c.Revision,
		"PROXY_CONFIG": map[string]any{
			"discoveryAddress": c.Discovery,
			"statusPort":       c.Ports.Status,
			"proxyAdminPort":   c.Ports.Admin,
			"concurrency":      c.Concurrency,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("write node metadata: %w", err)
	}
	for key, value := range metadata.GetFields() {
		if value.GetStringValue() == "" && value.GetStructValue() == nil {
			delete(metadata.Fields, key)
		}
	}
	return &corev3.Node{Id: c.NodeID(), Cluster: c.Workload + "." + c.Namespace, Metadata: metadata}, nil
}

func values(in map[string]string, leaveOut func(key string) bool) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		if leaveOut == nil || !leaveOut(k) {
			out[k] = v
		}
	}
	return out
}
