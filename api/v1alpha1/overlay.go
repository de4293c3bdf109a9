package v1alpha1

// ValuesSource is an object in the mesh's namespace that holds values.
type ValuesSource struct {
	// kind is ConfigMap or Secret.
	// +required
	Kind ValuesSourceKind `json:"kind"`
	// name of the object.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// key in its data, which holds YAML. Defaults to "values.yaml".
	// +optional
	// +kubebuilder:default="values.yaml"
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// ValuesSourceKind is a kind of object that holds values.
//
// +kubebuilder:validation:Enum=ConfigMap;Secret
type ValuesSourceKind string

// The kinds of objects that hold values.
const (
	ValuesFromConfigMap ValuesSourceKind = "ConfigMap"
	ValuesFromSecret    ValuesSourceKind = "Secret"
)

// Patch changes objects after they were rendered.
type Patch struct {
	// target says which objects.
	// +required
	Target PatchTarget `json:"target"`

	// type is StrategicMerge or JSON6902. Defaults to StrategicMerge.
	// +optional
	// +kubebuilder:default=StrategicMerge
	Type PatchType `json:"type,omitempty"`

	// patch is the change, as YAML or JSON: a part of the object for
	// StrategicMerge, a list of operations for JSON6902.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Patch string `json:"patch"`
}

// PatchTarget selects rendered objects. One that selects none is an error.
type PatchTarget struct {
	// kind of the objects.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Z][a-zA-Z]*$`
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// name of the objects, without "meshwright-" before it and the revision
	// after it: the Deployment meshwright-discovery-prod-0123456789 is
	// "discovery", as is the Service meshwright-discovery.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// namespace of the objects. Left out, any.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// PatchType is a form of patches.
//
// +kubebuilder:validation:Enum=StrategicMerge;JSON6902
type PatchType string

// The forms of patches.
const (
	PatchStrategicMerge PatchType = "StrategicMerge"
	PatchJSON6902       PatchType = "JSON6902"
)

// Images says where images come from.
type Images struct {
	// registry takes the place of the registry in the name of every image, such
	// as registry.example:5000/mirror. The rest of the name stays, a digest too.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-._a-z0-9]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]([-._a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:MaxLength=253
	Registry string `json:"registry,omitempty"`

	// pullSecrets are the Secrets with which the components' images are pulled,
	// each in the namespace of the component. Injected pods use their own.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:items:MaxLength=253
	PullSecrets []string `json:"pullSecrets,omitempty"`
}
