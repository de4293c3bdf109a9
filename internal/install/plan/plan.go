package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

// Labels that the operator's own objects carry.
const (
	LabelInstall   = "meshwright.io/install"
	LabelRevision  = "meshwright.io/revision"
	LabelComponent = "meshwright.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "meshwright-operator"
)

// placeholder stands for the revision while it is hashed, so that the name,
// which follows from the hash, is not in it.
const placeholder = "revision"

// Input is all that a plan depends on.
type Input struct {
	// Install is the MeshInstall's name.
	Install string
	Spec    v1alpha1.MeshInstallSpec
	// Image of all components. Empty means DefaultImage.
	Image string
	// ValuesFrom has the YAML that each entry of spec.valuesFrom leads to.
	ValuesFrom []string
	// AdmissionPolicies is true for an API server that serves
	// MutatingAdmissionPolicy as admissionregistration.k8s.io/v1: pods are then
	// injected by a policy, and there is no injector.
	AdmissionPolicies bool
}

// Plan is one rendered revision and the install set that points at it. Its
// objects may be changed by nobody; take a DeepCopy.
type Plan struct {
	// Install is the MeshInstall's name, Revision the revision's.
	Install, Revision string
	Version           string
	// Namespace holds the control plane.
	Namespace string
	// Hash is the SHA-256 over the revision set, in hexadecimal.
	Hash string
	// RevisionSet are the objects of this revision alone, in order of kind,
	// namespace and name.
	RevisionSet []*unstructured.Unstructured
	// InstallSet are the objects that outlive it, in the same order.
	InstallSet []*unstructured.Unstructured

	// RootCert is the root bundle, PEM, that Door writes into a policy; the
	// caller sets it, and it is neither hashed nor recorded. While it is empty a
	// policy refuses pods.
	RootCert string

	// door injects the pods of all namespaces that opt in.
	door    []*unstructured.Unstructured
	values  map[string]any
	patches []v1alpha1.Patch
}

// New renders a spec. An error of type *Invalid says what a person has to
// change; any other is a fault in a chart.
func New(in Input) (*Plan, error) {
	values, err := resolve(in)
	if err != nil {
		return nil, err
	}
	spec := v1alpha1.MeshRevisionSpec{Install: in.Install, Version: in.Spec.Version, Patches: in.Spec.Patches}
	hashed, err := renderMesh(spec, values, placeholder)
	if err != nil {
		return nil, err
	}
	hash, err := hashOf(hashed.revision)
	if err != nil {
		return nil, err
	}
	spec.RenderedHash = hash
	return build(spec, in.Install+"-"+hash[:10], values)
}

// FromRecord renders a revision again from the record that was made of it. It
// fails when this operator does not carry its version any more.
func FromRecord(record *v1alpha1.MeshRevision) (*Plan, error) {
	var values map[string]any
	if err := json.Unmarshal(record.Spec.Values.Raw, &values); err != nil {
		return nil, fmt.Errorf("read the values of MeshRevision %s: %w", record.Name, err)
	}
	return build(record.Spec, record.Name, values)
}

func build(spec v1alpha1.MeshRevisionSpec, name string, values map[string]any) (*Plan, error) {
	sets, err := renderMesh(spec, values, name)
	if err != nil {
		return nil, err
	}
	namespace, _ := values["namespace"].(string)
	return &Plan{
		Install: spec.Install, Revision: name, Version: spec.Version, Namespace: namespace, Hash: spec.RenderedHash,
		RevisionSet: sets.revision, InstallSet: sets.install, door: sets.door, values: values, patches: spec.Patches,
	}, nil
}

// Record is the MeshRevision that FromRecord can render again.
func (p *Plan) Record() (*v1alpha1.MeshRevision, error) {
	raw, err := json.Marshal(p.values)
	if err != nil {
		return nil, fmt.Errorf("write the values of revision %s: %w", p.Revision, err)
	}
	record := &v1alpha1.MeshRevision{Spec: v1alpha1.MeshRevisionSpec{
		Install: p.Install, Version: p.Version, RenderedHash: p.Hash, Values: runtime.RawExtension{Raw: raw}, Patches: p.patches,
	}}
	record.APIVersion, record.Kind = v1alpha1.GroupVersion.String(), "MeshRevision"
	record.Name = p.Revision
	record.Labels = map[string]string{LabelInstall: p.Install, LabelManagedBy: ManagedBy}
	return record, nil
}

// Values are what profile, values and spec come to. The copy is the caller's.
func (p *Plan) Values() map[string]any { return runtimeCopy(p.values) }

// Alias is the discovery Service of a retired revision, leading to the pods of
// this one: proxies that the old revision injected keep their address for it.
func (p *Plan) Alias(retired string) *unstructured.Unstructured {
	for _, o := range p.RevisionSet {
		if o.GetKind() != "Service" || o.GetLabels()[LabelComponent] != "discovery" {
			continue
		}
		alias := o.DeepCopy()
		alias.SetName("meshwright-discovery-" + retired)
		labels := alias.GetLabels()
		labels[LabelRevision] = retired
		alias.SetLabels(labels)
		return alias
	}
	return nil
}

// Namespaces are those that the plan puts objects into: the mesh's first, then
// the gateways' in order.
func (p *Plan) Namespaces() (mesh string, gateways []string) {
	seen := map[string]bool{}
	for _, o := range p.RevisionSet {
		ns := o.GetNamespace()
		if component := o.GetLabels()[LabelComponent]; component != "discovery" && component != "injector" && !seen[ns] {
			seen[ns] = true
			gateways = append(gateways, ns)
		}
	}
	return p.Namespace, gateways
}

// hashOf is the hash of objects that are already in order. JSON of a map has
// sorted keys, so it is the same in every process.
func hashOf(objects []*unstructured.Unstructured) (string, error) {
	h := sha256.New()
	for _, o := range objects {
		raw, err := o.MarshalJSON()
		if err != nil {
			return "", fmt.Errorf("hash %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
