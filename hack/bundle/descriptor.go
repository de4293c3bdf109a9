package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/meshwright/meshwright/hack/bundlecheck"
	"github.com/meshwright/meshwright/internal/install/plan"
)

// owned describes our kinds from their schemas, and from a plan what is made
// for a MeshInstall.
func owned(kinds []apiextensionsv1.CustomResourceDefinition, p *plan.Plan) []bundlecheck.OwnedCRD {
	var out []bundlecheck.OwnedCRD
	for _, crd := range kinds {
		for _, v := range crd.Spec.Versions {
			schema := v.Schema.OpenAPIV3Schema
			out = append(out, bundlecheck.OwnedCRD{
				Name: crd.Name, Version: v.Name, Kind: crd.Spec.Names.Kind,
				DisplayName: title(crd.Spec.Names.Kind), Description: sentence(schema.Description), Resources: made(p),
				Specs: descriptors(schema.Properties["spec"]), Statuses: descriptors(schema.Properties["status"]),
			})
		}
	}
	return out
}

// made are the kinds of objects of a plan.
func made(p *plan.Plan) []bundlecheck.Resource {
	var out []bundlecheck.Resource
	for _, o := range slices.Concat(p.RevisionSet, p.Door(plan.Everywhere), p.InstallSet) {
		r := bundlecheck.Resource{Kind: o.GetKind(), Version: o.GroupVersionKind().Version}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b bundlecheck.Resource) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}

// controls are what the console shows a field with, where text is not right.
var controls = map[string]string{
	"conditions": "urn:alm:descriptor:io.kubernetes.conditions",
	"version":    "urn:alm:descriptor:com.tectonic.ui:text",
	"profile":    "urn:alm:descriptor:com.tectonic.ui:text",
	"namespace":  "urn:alm:descriptor:io.kubernetes:Namespace",
	"phase":      "urn:alm:descriptor:io.kubernetes.phase",
}

// descriptors are the first level of fields.
func descriptors(schema apiextensionsv1.JSONSchemaProps) []bundlecheck.Descriptor {
	var out []bundlecheck.Descriptor
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		d := bundlecheck.Descriptor{Path: name, DisplayName: title(name), Description: sentence(schema.Properties[name].Description)}
		if control, ok := controls[name]; ok {
			d.Descriptors = []string{control}
		}
		out = append(out, d)
	}
	return out
}

// title turns a name such as meshConfig into words.
func title(name string) string {
	var out strings.Builder
	for i, r := range name {
		switch {
		case i == 0:
			out.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r):
			out.WriteString(" " + string(r))
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// sentence is the first of a description, on one line.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if end := strings.Index(text, ". "); end >= 0 {
		return text[:end+1]
	}
	return text
}
