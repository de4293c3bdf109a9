package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/convert"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// The forms of input of convert.
const (
	fromObjects = "objects"
	fromHelm    = "helm-values"
)

type convertOptions struct {
	files, gateways                     []string
	from, name, version, output, report string
}

func convertCommand() *cobra.Command {
	var o convertOptions
	c := &cobra.Command{
		Use:   "convert -f FILE",
		Short: "Make a MeshInstall of an IstioOperator, an Istio, or Helm values",
		Long: `Reads an IstioOperator, an Istio of the Sail operator or, with --from helm-values,
the values of Istio's charts base and istiod (several files: each over the one
before it) and of releases of the chart gateway, and prints a MeshInstall. What
has no counterpart there is listed on the standard error, or in the file of
--report: the field, its value, and what to do instead.

No cluster is needed. The exit code is 0 also where something is listed.`,
		Example: `  meshwright convert -f istio-operator.yaml > mesh.yaml
  kubectl get istio default -o yaml | meshwright convert -f -
  helm get values istiod -n istio-system -o yaml | meshwright convert --from helm-values -f - --gateway edge/istio-ingress=gateway.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file to convert; - is the standard input")
	f.StringVar(&o.from, "from", fromObjects, "what the files hold: "+fromObjects+" (an IstioOperator or an Istio) or "+fromHelm)
	f.StringSliceVar(&o.gateways, "gateway", nil, "values of a release of the chart gateway, as NAMESPACE/RELEASE=FILE")
	f.StringVar(&o.name, "name", "", "name of the MeshInstall (default that of the object, else mesh)")
	f.StringVar(&o.version, "version", plan.Carried.Versions()[len(plan.Carried.Versions())-1], "version of the mesh")
	f.StringVarP(&o.output, "output", "o", "yaml", "yaml or json")
	f.StringVar(&o.report, "report", "", "file for what has no counterpart (default the standard error)")
	return c
}

func (o *convertOptions) run(c *cobra.Command) error {
	if !slices.Contains([]string{"yaml", "json"}, o.output) {
		return fmt.Errorf("output %q is neither yaml nor json", o.output)
	}
	in, about, err := o.read(c.InOrStdin())
	if err != nil {
		return err
	}
	in.Version = o.version
	result, err := convert.Convert(in)
	if err != nil {
		return fmt.Errorf("convert %s: %w", about, err)
	}
	if o.name != "" {
		result.Install.Name = o.name
	}
	if _, err := plan.New(plan.Input{Install: result.Install.Name, Spec: result.Install.Spec}); err != nil {
		return fmt.Errorf("convert %s: the MeshInstall that comes of it cannot be rendered: %w", about, err)
	}
	raw, err := json.MarshalIndent(map[string]any{
		"apiVersion": result.Install.APIVersion, "kind": result.Install.Kind,
		"metadata": map[string]any{"name": result.Install.Name}, "spec": result.Install.Spec,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the MeshInstall: %w", err)
	}
	raw = append(raw, '\n')
	if o.output == "yaml" {
		if raw, err = yaml.JSONToYAML(raw); err != nil {
			return fmt.Errorf("write the MeshInstall: %w", err)
		}
	}
	if _, err := c.OutOrStdout().Write(raw); err != nil {
		return err
	}
	return o.tell(c.ErrOrStderr(), result.Findings)
}

// tell writes the findings to where they are wanted.
func (o *convertOptions) tell(stderr io.Writer, findings []convert.Finding) error {
	var text strings.Builder
	if len(findings) > 0 {
		fmt.Fprintf(&text, "To be looked at, %d in all:\n", len(findings))
	}
	for _, f := range findings {
		fmt.Fprintf(&text, "  %s: %s\n      %s\n", f.Field, f.Value, f.Instead)
	}
	if o.report != "" {
		if err := os.WriteFile(o.report, []byte(text.String()), 0o600); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		return nil
	}
	_, err := io.WriteString(stderr, text.String())
	return err
}

// read reads what there is to convert, and says in a word what that is.
func (o *convertOptions) read(stdin io.Reader) (in convert.Input, about string, err error) {
	switch {
	case o.from == fromHelm && len(o.files)+len(o.gateways) > 0:
		return o.readValues(stdin)
	case o.from == fromObjects && len(o.files) == 1 && len(o.gateways) == 0:
		return readIstio(o.files[0], stdin)
	case o.from == fromObjects && len(o.gateways) > 0:
		return in, "", errors.New("--gateway goes with --from helm-values")
	case o.from != fromObjects && o.from != fromHelm:
		return in, "", fmt.Errorf("--from %q is neither %s nor %s", o.from, fromObjects, fromHelm)
	}
	return in, "", errors.New("give one file with -f FILE, or values of charts with --from helm-values")
}

// readValues reads values of charts.
func (o *convertOptions) readValues(stdin io.Reader) (in convert.Input, about string, err error) {
	for _, file := range o.files {
		documents, err := readDocuments(file, stdin)
		if err != nil {
			return in, "", err
		}
		in.Values = convert.Merge(append([]map[string]any{in.Values}, documents...)...)
	}
	for _, gateway := range o.gateways {
		release, file, ok := strings.Cut(gateway, "=")
		namespace, name, ok2 := strings.Cut(release, "/")
		if !ok || !ok2 || namespace == "" || name == "" {
			return in, "", fmt.Errorf("--gateway %q is not NAMESPACE/RELEASE=FILE", gateway)
		}
		documents, err := readDocuments(file, stdin)
		if err != nil {
			return in, "", err
		}
		in.Gateways = append(in.Gateways, convert.Release{Namespace: namespace, Name: name, Values: convert.Merge(documents...)})
	}
	return in, "values of " + strings.Join(append(slices.Clone(o.files), o.gateways...), ", "), nil
}

// readIstio reads the one object of a file. Objects of other kinds are named.
func readIstio(file string, stdin io.Reader) (in convert.Input, about string, err error) {
	documents, err := readDocuments(file, stdin)
	if err != nil {
		return in, "", err
	}
	for _, document := range documents {
		o := &unstructured.Unstructured{Object: document}
		name := strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/")
		switch {
		case o.GetKind() != "IstioOperator" && o.GetKind() != "Istio":
			return in, "", fmt.Errorf("read %s: %s %s is not an IstioOperator nor an Istio; take it out (values of charts go with --from helm-values)", file, o.GetKind(), name)
		case in.Object != nil:
			return in, "", fmt.Errorf("read %s: %s %s is a second object; convert one at a time", file, o.GetKind(), name)
		}
		in.Object, about = document, fmt.Sprintf("%s: %s %s", file, o.GetKind(), name)
	}
	if in.Object == nil {
		return in, "", fmt.Errorf("read %s: there is no object in it", file)
	}
	return in, about, nil
}

// readDocuments reads the tables of a file of YAML or JSON.
func readDocuments(file string, stdin io.Reader) ([]map[string]any, error) {
	raw, err := readInput("what to convert", file, stdin)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		var table map[string]any
		if err == nil {
			var text []byte
			if text, err = yaml.YAMLToJSONStrict(document); err == nil {
				err = kjson.UnmarshalCaseSensitivePreserveInts(text, &table)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if table != nil {
			out = append(out, table)
		}
	}
}
