package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/mesh"
)

// finding is one row of the answer.
type finding struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Field     string `json:"field,omitempty"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	// Refused: the object has no effect. Unserved: right, but not served yet.
	Refused  bool `json:"refused,omitempty"`
	Unserved bool `json:"unserved,omitempty"`
	// File is where the object was read; empty for those of a cluster.
	File string `json:"file,omitempty"`
}

// checkOptions are the flags of check.
type checkOptions struct {
	files             []string
	cluster           bool
	kubeconfig        string
	kubeContext       string
	namespace         string
	clusterDomain     string
	gatewayNamespaces []string
	output            string
}

func checkCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check [-f FILE...] [--cluster]",
		Short: "Name what is wrong with the mesh's objects, and what is not served",
		Long: `Reads the objects as discovery does and prints each Problem with the object, the
field, and what to do. Without -f it checks the cluster of the kubeconfig. With
-f it checks files by themselves, and with --cluster too it checks them as if
they had been applied to the cluster.

The exit code is 0 if there is nothing to say, 1 if there is, 2 if it could not
be found out.`,
		Example: `  meshwright check
  meshwright check -f manifests/ -f route.yaml
  kustomize build . | meshwright check --cluster -f -`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			findings, err := o.check(c.Context(), c.InOrStdin())
			if err == nil {
				err = printFindings(c.OutOrStdout(), o.output, findings)
			}
			switch {
			case err != nil:
				return &ExitError{Code: 2, Err: err}
			case len(findings) > 0:
				return &ExitError{Code: 1, Err: fmt.Errorf("%d problems", len(findings))}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file or folder of YAML or JSON to check; - is the standard input")
	f.BoolVar(&o.cluster, "cluster", false, "check the files in the light of what the cluster holds")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; none means kubectl's own choice")
	f.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig")
	f.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of objects in files that name none")
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "the cluster's DNS suffix")
	f.StringSliceVar(&o.gatewayNamespaces, "gateway-namespaces", []string{"mesh-system", "mesh-ingress", "mesh-egress"},
		"namespaces of the cluster whose TLS Secrets are looked at")
	f.StringVarP(&o.output, "output", "o", "table", "table, json or yaml")
	return c
}

// check finds the Problems of the files, or of the cluster if there are none.
func (o *checkOptions) check(ctx context.Context, stdin io.Reader) ([]finding, error) {
	var objects []checkedObject
	if len(o.files) == 0 || o.cluster {
		live, err := o.readCluster(ctx)
		if err != nil {
			return nil, err
		}
		objects = live
	}
	files, err := o.readFiles(stdin)
	if err != nil {
		return nil, err
	}
	if o.cluster {
		date(files, objects, time.Now())
	}
	objects = append(objects, files...)
	findings := judge(o.clusterDomain, objects, len(o.files) == 0 || o.cluster)
	if len(o.files) > 0 {
		findings = slices.DeleteFunc(findings, func(f finding) bool { return f.File == "" })
	}
	return findings, nil
}

// found is a row for a Problem.
func found(p mesh.Problem, file string) finding {
	return finding{
		Kind: string(p.Object.Kind), Namespace: p.Object.Namespace, Name: p.Object.Name, Field: p.Field,
		Reason: p.Reason, Message: p.Message, Refused: p.Refused, Unserved: p.Unserved, File: file,
	}
}

// printFindings writes the rows; an empty table is no line at all.
func printFindings(out io.Writer, format string, findings []finding) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(append([]finding{}, findings...))
	case "yaml":
		text, err := yaml.Marshal(append([]finding{}, findings...))
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		_, err = out.Write(text)
		return err
	case "table":
	default:
		return fmt.Errorf("output %q is not one of table, json and yaml", format)
	}
	if len(findings) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "KIND\tNAMESPACE/NAME\tFIELD\tREASON\tMESSAGE")
	for _, f := range findings {
		field := f.Field
		if field == "" {
			field = "-"
		}
		name := f.Name
		if f.Namespace != "" {
			name = f.Namespace + "/" + f.Name
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Kind, name, field, f.Reason, f.Message)
	}
	return table.Flush()
}
