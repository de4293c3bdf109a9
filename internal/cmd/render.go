package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

func renderCommand() *cobra.Command {
	var file, image string
	c := &cobra.Command{
		Use:   "render -f FILE",
		Short: "Print the objects that a MeshInstall asks for",
		Long: "Print the objects that a MeshInstall asks for, as YAML, in the order in which they are applied.\n" +
			"No cluster is needed; the operator renders the same bytes.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			install, err := readInstall(file, c.InOrStdin())
			if err != nil {
				return err
			}
			p, err := plan.New(plan.Input{Install: install.Name, Spec: install.Spec, Image: cmp.Or(image, plan.Image(install.Spec.Version, os.LookupEnv))})
			if err != nil {
				return fmt.Errorf("render MeshInstall %s: %w", install.Name, err)
			}
			return p.WriteYAML(c.OutOrStdout())
		},
	}
	c.Flags().StringVarP(&file, "filename", "f", "", "the MeshInstall; - is standard input")
	c.Flags().StringVar(&image, "image", "", "image of all components (default "+plan.DefaultImage("VERSION")+", or $"+plan.ImageVariable("VERSION")+")")
	_ = c.MarkFlagRequired("filename")
	return c
}

// readInstall reads one MeshInstall. A field that the API does not have is an
// error, as the API server would drop it silently.
func readInstall(file string, stdin io.Reader) (*v1alpha1.MeshInstall, error) {
	var raw []byte
	var err error
	if file == "-" {
		raw, err = io.ReadAll(stdin)
	} else {
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the MeshInstall: %w", err)
	}
	install := &v1alpha1.MeshInstall{}
	asJSON, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		return nil, fmt.Errorf("read the MeshInstall in %s: %w", file, err)
	}
	// This decoder names unknown fields with their paths, as kubectl does.
	unknown, err := json.UnmarshalStrict(asJSON, install)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return nil, fmt.Errorf("read the MeshInstall in %s: %w", file, err)
	}
	if install.Kind != "MeshInstall" || install.APIVersion != v1alpha1.GroupVersion.String() {
		return nil, fmt.Errorf("read %s: it holds %s %s, not %s MeshInstall", file, install.APIVersion, install.Kind, v1alpha1.GroupVersion)
	}
	if install.Name == "" || len(install.Name) > 30 {
		return nil, fmt.Errorf("read the MeshInstall in %s: metadata.name: set a name of at most 30 characters", file)
	}
	return install, nil
}
