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

	"github.com/meshwright/meshwright/internal/check"
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
	before            bool
	kubeconfig        string
	kubeContext       string
	install           string
	namespace         string
	clusterDomain     string
	gatewayNamespaces []string
	output            string
}

func checkCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check [--pre | -f FILE... [--cluster]]",
		Short: "Look at a cluster before or after installation, or at files",
		Long: `Looks at the cluster of the kubeconfig: Kubernetes, custom resources, operator,
mesh, injection, certificates, proxies, and the configuration in it. Each line is
√ well, ‼ a warning or × a failure, with what is wrong and where more stands.
--pre looks at what matters before the installation. Pods are created in a dry
run only. The exit code is 1 if there is a failure, 2 if there is no cluster to
ask.

With -f it reads files as discovery does and prints each Problem with the object,
the field, and what to do; with --cluster too as if they had been applied to the
cluster. The exit code is 0 if there is nothing to say, 1 if there is, 2 if it
could not be found out.`,
		Example: `  meshwright check --pre
  meshwright check
  meshwright check -f manifests/ -f route.yaml
  kustomize build . | meshwright check --cluster -f -`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if len(o.files) == 0 {
				return o.checkCluster(c.Context(), c.OutOrStdout())
			}
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
	f.BoolVar(&o.before, "pre", false, "look at what matters before the installation")
	c.MarkFlagsMutuallyExclusive("pre", "filename")
	f.BoolVar(&o.cluster, "cluster", false, "check the files in the light of what the cluster holds")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; none means kubectl's own choice")
	f.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig")
	f.StringVar(&o.install, "install", "", "name of the MeshInstall whose part of the cluster is looked at, where there are several")
	f.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of objects in files that name none")
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "the cluster's DNS suffix")
	f.StringSliceVar(&o.gatewayNamespaces, "gateway-namespaces", []string{"mesh-system", "mesh-ingress", "mesh-egress"},
		"namespaces of the cluster whose TLS Secrets are looked at")
	f.StringVarP(&o.output, "output", "o", "table", "table, json or yaml")
	return c
}

// checkCluster looks at a cluster and prints what was found.
func (o *checkOptions) checkCluster(ctx context.Context, out io.Writer) error {
	if !slices.Contains([]string{"table", "json", "yaml"}, o.output) {
		return &ExitError{Code: 2, Err: fmt.Errorf("output %q is not one of table, json and yaml", o.output)}
	}
	facts, err := o.readFacts(ctx)
	if err != nil {
		return &ExitError{Code: 2, Err: err}
	}
	lines := check.After(facts)
	if o.before {
		lines = check.Before(facts)
	}
	switch o.output {
	case "table":
		err = check.Print(out, lines)
	case "yaml":
		var text []byte
		if text, err = yaml.Marshal(lines); err == nil {
			_, err = out.Write(text)
		}
	default:
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(lines)
	}
	if err != nil {
		return &ExitError{Code: 2, Err: fmt.Errorf("write what was found: %w", err)}
	}
	if n := check.Failed(lines); n > 0 {
		return &ExitError{Code: 1, Err: fmt.Errorf("%d failures", n)}
	}
	return nil
}

// check finds the Problems of the files.
func (o *checkOptions) check(ctx context.Context, stdin io.Reader) ([]finding, error) {
	var objects []checkedObject
	if o.cluster {
		scope, err := o.scope(ctx)
		if err != nil {
			return nil, err
		}
		live, err := o.readCluster(ctx, scope)
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
	findings := judge(o.clusterDomain, objects, o.cluster)
	return slices.DeleteFunc(findings, func(f finding) bool { return f.File == "" }), nil
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
