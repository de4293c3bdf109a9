package cmd

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/install/plan"
)

func renderCommand() *cobra.Command {
	var file, image string
	var values bool
	var policies bool
	c := &cobra.Command{
		Use:   "render -f FILE",
		Short: "Print the objects that a MeshInstall asks for",
		Long: "Print the objects that a MeshInstall asks for, as YAML, in the order in which they are applied.\n" +
			"No cluster is needed; the operator renders the same bytes. The objects that spec.valuesFrom\n" +
			"names are taken from the file too, as further documents.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := renderInput(file, c.InOrStdin(), image)
			if err != nil {
				return err
			}
			in.AdmissionPolicies = policies
			p, err := plan.New(in)
			if err != nil {
				return fmt.Errorf("render MeshInstall %s: %w", in.Install, err)
			}
			if !values {
				return p.WriteYAML(c.OutOrStdout())
			}
			return printValues(c.OutOrStdout(), in, p)
		},
	}
	c.Flags().StringVarP(&file, "filename", "f", "", "the MeshInstall; - is standard input")
	c.Flags().StringVar(&image, "image", "", "image of all components (default "+plan.DefaultImage("VERSION")+", or $"+plan.ImageVariable("VERSION")+")")
	c.Flags().BoolVar(&values, "values", false, "print what profile, values and spec come to, in the place of objects")
	c.Flags().BoolVar(&policies, "admission-policies", false, "render for an API server that has MutatingAdmissionPolicy (Kubernetes 1.36): it injects pods, and no injector runs")
	_ = c.MarkFlagRequired("filename")
	return c
}

// renderInput is all that a plan of the MeshInstall in a file depends on.
func renderInput(file string, stdin io.Reader, image string) (plan.Input, error) {
	f, err := readInstall(file, stdin)
	if err != nil {
		return plan.Input{}, err
	}
	texts, missing := f.valuesFrom()
	if missing != nil {
		return plan.Input{}, fmt.Errorf("render MeshInstall %s: spec.valuesFrom: add %s %s with the key %q to the file", f.install.Name, missing.Kind, missing.Name, missing.Key)
	}
	return plan.Input{
		Install: f.install.Name, Spec: f.install.Spec, ValuesFrom: texts,
		Image: cmp.Or(image, plan.Image(f.install.Spec.Version, os.LookupEnv)),
	}, nil
}

// printValues prints the outcome of all defaults.
func printValues(out io.Writer, in plan.Input, p *plan.Plan) error {
	update, err := plan.UpdateOf(in.Spec)
	if err != nil {
		return err
	}
	raw, err := yaml.Marshal(map[string]any{"revision": p.Revision, "values": p.Values(), "update": update})
	if err != nil {
		return fmt.Errorf("write the values: %w", err)
	}
	_, err = out.Write(raw)
	return err
}
