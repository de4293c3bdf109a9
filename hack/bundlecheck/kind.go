package bundlecheck

import (
	"encoding/json"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// served are the versions of the CRDs in manifests/, as "plural.group/version".
func (b *Bundle) served() map[string]apiextensionsv1.CustomResourceDefinitionVersion {
	out := map[string]apiextensionsv1.CustomResourceDefinitionVersion{}
	for _, crd := range b.crds {
		for _, v := range crd.Spec.Versions {
			if v.Served {
				out[crd.Name+"/"+v.Name] = v
			}
		}
	}
	return out
}

func ownedAreTheCRDs(b *Bundle) (m messages) {
	served, owned := b.served(), map[string]bool{}
	for _, o := range b.csv().Spec.CRDs.Owned {
		key := o.Name + "/" + o.Version
		owned[key] = true
		_, ok := served[key]
		m.want(ok, "owned %s is in no manifest", key)
	}
	for key := range served {
		m.want(owned[key], "%s is not among the owned", key)
	}
	return m
}

func ownedAreDescribed(b *Bundle) (m messages) {
	for _, o := range b.csv().Spec.CRDs.Owned {
		m.want(o.Kind != "" && o.DisplayName != "" && o.Description != "", "owned %s has no kind, displayName or description", o.Name)
	}
	return m
}

// internalKindsAreNamed: a kind that only the operator writes is not offered.
func internalKindsAreNamed(b *Bundle) (m messages) {
	var internal []string
	text := b.csv().Metadata.Annotations["operators.operatorframework.io/internal-objects"]
	m.want(json.Unmarshal([]byte(text), &internal) == nil, "internal-objects %q is no list in JSON", text)
	for _, crd := range b.crds {
		is := crd.Spec.Names.Kind == "MeshRevision"
		m.want(is == slices.Contains(internal, crd.Name), "%s is among the internal objects: %v", crd.Name, !is)
	}
	return m
}

// applyLimit is the longest annotation, in which kubectl apply keeps an object.
const applyLimit = 262_144

func crdsAreSound(b *Bundle) (m messages) {
	for name, o := range b.objects {
		if o.GetKind() == "CustomResourceDefinition" {
			m.want(len(b.files[name]) < applyLimit, "%s has %d bytes, too many for kubectl apply", name, len(b.files[name]))
		}
	}
	for _, crd := range b.crds {
		m.want(!crd.Spec.PreserveUnknownFields, "%s preserves unknown fields", crd.Name)
		for _, v := range crd.Spec.Versions {
			m.want(!v.Storage || v.Served, "%s stores %s and does not serve it", crd.Name, v.Name)
			if v.Schema != nil && v.Schema.OpenAPIV3Schema != nil {
				m = append(m, undocumented(crd.Name, *v.Schema.OpenAPIV3Schema)...)
			}
		}
	}
	return m
}

func undocumented(path string, schema apiextensionsv1.JSONSchemaProps) (m messages) {
	for name, field := range schema.Properties {
		// controller-gen drops what one says about metadata.
		m.want(field.Description != "" || name == "metadata", "%s.%s has no description", path, name)
		m = append(m, undocumented(path+"."+name, field)...)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		m = append(m, undocumented(path+"[]", *schema.Items.Schema)...)
	}
	return m
}

// removedAPIs are groups with versions that Kubernetes served once.
var removedAPIs = []string{
	"policy/v1beta1", "autoscaling/v2beta1", "autoscaling/v2beta2", "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "batch/v1beta1",
	"apiextensions.k8s.io/v1beta1", "admissionregistration.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1beta1", "networking.k8s.io/v1beta1",
}

func noRemovedAPIs(b *Bundle) (m messages) {
	for name, o := range b.objects {
		m.want(!slices.Contains(removedAPIs, o.GetAPIVersion()), "%s is of %s, which is gone", name, o.GetAPIVersion())
	}
	return m
}

func crdsHaveValidation(b *Bundle) (m messages) {
	for key, v := range b.served() {
		m.want(v.Schema != nil && v.Schema.OpenAPIV3Schema != nil && len(v.Schema.OpenAPIV3Schema.Properties["spec"].Properties) > 0, "%s has no schema of spec", key)
	}
	return m
}

func crdsHaveResources(b *Bundle) (m messages) {
	for _, o := range b.csv().Spec.CRDs.Owned {
		m.want(len(o.Resources) > 0, "owned %s has no resources", o.Name)
	}
	return m
}

func specsAreDescribed(b *Bundle) messages {
	return b.described("spec", func(o OwnedCRD) []Descriptor { return o.Specs })
}

func statusesAreDescribed(b *Bundle) messages {
	return b.described("status", func(o OwnedCRD) []Descriptor { return o.Statuses })
}

// described asks for a descriptor of each key that an example has, and that
// each descriptor is of a field.
func (b *Bundle) described(part string, descriptors func(OwnedCRD) []Descriptor) (m messages) {
	served := b.served()
	for _, o := range b.csv().Spec.CRDs.Owned {
		var paths []string
		schema := served[o.Name+"/"+o.Version].Schema
		for _, d := range descriptors(o) {
			key, _, _ := strings.Cut(d.Path, ".")
			paths = append(paths, key)
			known := false
			if schema != nil && schema.OpenAPIV3Schema != nil {
				_, known = schema.OpenAPIV3Schema.Properties[part].Properties[key]
			}
			m.want(known, "%s describes %s.%s, which does not exist", o.Kind, part, d.Path)
		}
		for _, example := range b.examples {
			fields, _ := example.Object[part].(map[string]any)
			for key := range fields {
				m.want(example.GetKind() != o.Kind || slices.Contains(paths, key), "%s does not describe %s.%s", o.Kind, part, key)
			}
		}
	}
	return m
}
