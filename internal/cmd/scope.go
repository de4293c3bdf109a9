package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func scopeCommand() *cobra.Command {
	var o proxiesOptions
	var selector string
	c := &cobra.Command{
		Use:   "scope POD[.NAMESPACE] --selector KEY=VALUE[,KEY=VALUE]",
		Short: "Print the Sidecar that would freeze what a workload was learned to use",
		Long: `Prints a Sidecar with the hosts that the proxies of a workload in automatic mode
hold now. Applied, it takes the workload out of automatic mode: what it does not
name is an unknown destination then. The selector picks the workload's pods.`,
		Example: `  meshwright scope front-7d9c.shop --selector app=front`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.freeze(c.Context(), c.OutOrStdout(), args[0], selector)
		},
	}
	s := c.Flags()
	s.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; none means kubectl's own choice")
	s.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig")
	s.StringVar(&o.meshNamespace, "mesh-namespace", "", "namespace of the discovery pods to ask; none means all")
	s.StringVar(&o.install, "install", "", "name of the MeshInstall whose discovery pods to ask; none means all")
	s.StringVar(&o.address, "address", "", "loopback address of a discovery without authentication, as 127.0.0.1:15014")
	s.StringVar(&selector, "selector", "", "labels of the workload's pods, as app=front")
	return c
}

// freeze prints the Sidecar of one pod's workload.
func (o *proxiesOptions) freeze(ctx context.Context, out io.Writer, pod, selector string) error {
	labels, err := metav1.ParseToLabelSelector(selector)
	if err != nil || len(labels.MatchLabels) == 0 || len(labels.MatchExpressions) > 0 {
		return fmt.Errorf("give --selector the labels of the workload's pods, as app=front, not %q", selector)
	}
	ctx, cancel := context.WithTimeout(ctx, proxiesTimeout)
	defer cancel()
	rows, err := o.read(ctx)
	rows = slices.DeleteFunc(newest(rows), func(r proxyRow) bool { return !o.shows(r, []string{pod}) })
	switch {
	case len(rows) == 0:
		return errors.Join(err, fmt.Errorf("no proxy of pod %s is connected", pod))
	case len(rows) > 1:
		return fmt.Errorf("pods named %s are in several namespaces: write %s.NAMESPACE", pod, pod)
	case rows[0].Learned == nil:
		return fmt.Errorf("the proxy of pod %s is not in automatic mode, so that nothing is learned", pod)
	}
	_, name, _ := strings.Cut(rows[0].Learned.Workload, "/")
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "Sidecar",
		"metadata": map[string]any{"name": name, "namespace": rows[0].Namespace},
		"spec": map[string]any{
			"workloadSelector": map[string]any{"labels": labels.MatchLabels},
			"egress":           []any{map[string]any{"hosts": egressHosts(rows[0].Learned.Clusters)}},
		},
	})
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = out.Write(text)
	return err
}

// egressHosts are the entries of a Sidecar for the hosts of clusters.
func egressHosts(clusters []string) []string {
	var out []string
	for _, name := range clusters {
		host := name[strings.LastIndexByte(name, '|')+1:]
		namespace := "*"
		if parts := strings.SplitN(host, ".", 4); len(parts) == 4 && parts[2] == "svc" {
			namespace = parts[1]
		}
		out = append(out, namespace+"/"+host)
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) == 0 {
		return []string{"~/*"}
	}
	return out
}
