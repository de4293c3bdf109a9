package cmd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// installFile is a file with one MeshInstall, and perhaps the ConfigMaps and
// Secrets that its spec.valuesFrom names.
type installFile struct {
	install *v1alpha1.MeshInstall
	// values has the text of each object, by kind and name, and key.
	values map[v1alpha1.ValuesSource]string
}

// readInstall reads a file. A field that the API does not have is an error, as
// the API server would drop it silently.
func readInstall(file string, stdin io.Reader) (*installFile, error) {
	raw, err := readInput("the MeshInstall", file, stdin)
	if err != nil {
		return nil, err
	}
	out := &installFile{values: map[v1alpha1.ValuesSource]string{}}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = out.add(document)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
	}
	if out.install == nil {
		return nil, fmt.Errorf("read %s: there is no MeshInstall in it", file)
	}
	return out, nil
}

// add takes one document into the file's content.
func (f *installFile) add(document []byte) error {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var head metav1.TypeMeta
	if err := json.UnmarshalCaseSensitivePreserveInts(raw, &head); err != nil {
		return err
	}
	switch {
	case string(raw) == "null":
		return nil
	case head.APIVersion == "v1" && (head.Kind == "ConfigMap" || head.Kind == "Secret"):
		return f.addValues(head.Kind, raw)
	case head.Kind != "MeshInstall" || head.APIVersion != v1alpha1.GroupVersion.String():
		return fmt.Errorf("it holds %s %s, not %s MeshInstall", head.APIVersion, head.Kind, v1alpha1.GroupVersion)
	case f.install != nil:
		return errors.New("there are two MeshInstalls; give one")
	}
	install := &v1alpha1.MeshInstall{}
	// This decoder names unknown fields with their paths, as kubectl does.
	unknown, err := json.UnmarshalStrict(raw, install)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return err
	}
	if install.Name == "" || len(install.Name) > 30 {
		return errors.New("metadata.name: set a name of at most 30 characters")
	}
	install.Spec = plan.WithDefaults(install.Spec)
	f.install = install
	return nil
}

// addValues keeps what a ConfigMap or Secret holds.
func (f *installFile) addValues(kind string, raw []byte) error {
	var object struct {
		Metadata   metav1.ObjectMeta `json:"metadata"`
		StringData map[string]string `json:"stringData"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(raw, &object); err != nil {
		return err
	}
	texts := object.StringData
	if kind == "Secret" {
		var secret corev1.Secret
		if err := json.UnmarshalCaseSensitivePreserveInts(raw, &secret); err != nil {
			return err
		}
		for key, value := range secret.Data {
			if _, ok := texts[key]; !ok {
				f.values[v1alpha1.ValuesSource{Kind: v1alpha1.ValuesFromSecret, Name: object.Metadata.Name, Key: key}] = string(value)
			}
		}
	} else {
		var config corev1.ConfigMap
		if err := json.UnmarshalCaseSensitivePreserveInts(raw, &config); err != nil {
			return err
		}
		texts = config.Data
	}
	for key, text := range texts {
		f.values[v1alpha1.ValuesSource{Kind: v1alpha1.ValuesSourceKind(kind), Name: object.Metadata.Name, Key: key}] = text
	}
	return nil
}

// valuesFrom are the texts that spec.valuesFrom leads to; missing is the first
// that is not in the file.
func (f *installFile) valuesFrom() (texts []string, missing *v1alpha1.ValuesSource) {
	texts = []string{}
	for _, from := range f.install.Spec.ValuesFrom {
		text, ok := f.values[from]
		if !ok {
			return nil, &from
		}
		texts = append(texts, text)
	}
	return texts, nil
}
