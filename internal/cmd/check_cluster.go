package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/source"
)

// checkTimeout bounds the first lists of a cluster.
const checkTimeout = time.Minute

// config leads to the cluster that is meant.
func (o *checkOptions) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.kubeContext}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

// readCluster reads what belongs to a mesh once, by the source that discovery
// uses.
func (o *checkOptions) readCluster(ctx context.Context, scope source.Scope) ([]checkedObject, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	var out []checkedObject
	var read bool
	s, err := source.New(source.Config{
		REST: config, ClusterDomain: o.clusterDomain, CredentialNamespaces: o.gatewayNamespaces, Scope: scope, Log: logr.Discard(),
		Sink: source.SinkFunc(func(events []source.Event) {
			if read {
				return // Only the first batch counts.
			}
			read = true
			for _, e := range events {
				if !e.Gone {
					out = append(out, checkedObject{key: e.Key, value: e.Value, problems: e.Problems})
				}
			}
		}),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Synced():
		cancel()
		err = <-done
	case <-ctx.Done():
		<-done
		if err = s.Ready(); err != nil {
			err = fmt.Errorf("read the cluster: %w", err)
		}
	}
	return out, err
}

// date gives objects of files the age that they would have in the cluster,
// because the older of two wins: that of the object that they replace, else now.
func date(files, cluster []checkedObject, now time.Time) {
	created := map[mesh.Key]time.Time{}
	for _, o := range cluster {
		if m := metaOf(o.value); m != nil {
			created[o.key] = m.Created
		}
	}
	for _, o := range files {
		m := metaOf(o.value)
		if m == nil || !m.Created.IsZero() {
			continue
		}
		// The value was read a moment ago and is still nobody else's.
		if m.Created = created[o.key]; m.Created.IsZero() {
			m.Created = now
		}
	}
}

func metaOf(v mesh.Value) *mesh.Meta {
	switch v := v.(type) {
	case *mesh.VirtualService:
		return &v.Meta
	case *mesh.DestinationRule:
		return &v.Meta
	case *mesh.Gateway:
		return &v.Meta
	case *mesh.PeerAuthentication:
		return &v.Meta
	case *mesh.Sidecar:
		return &v.Meta
	}
	return nil
}
