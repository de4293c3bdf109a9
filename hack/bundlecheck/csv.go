package bundlecheck

import (
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// CSV is the ClusterServiceVersion of operators.coreos.com/v1alpha1, as far as
// a bundle has it.
type CSV struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       CSVSpec  `json:"spec"`
}

// Metadata is what a bundle sets of an object's.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// CSVSpec is what the catalogue shows and what OLM installs.
type CSVSpec struct {
	DisplayName    string         `json:"displayName"`
	Version        string         `json:"version"`
	Replaces       string         `json:"replaces,omitempty"`
	Skips          []string       `json:"skips,omitempty"`
	MinKubeVersion string         `json:"minKubeVersion"`
	Maturity       string         `json:"maturity"`
	Description    string         `json:"description"`
	Keywords       []string       `json:"keywords"`
	Maintainers    []Maintainer   `json:"maintainers"`
	Provider       Link           `json:"provider"`
	Links          []Link         `json:"links"`
	Icon           []Icon         `json:"icon"`
	InstallModes   []InstallMode  `json:"installModes"`
	CRDs           OwnedCRDs      `json:"customresourcedefinitions"`
	Install        Install        `json:"install"`
	Webhooks       []Webhook      `json:"webhookdefinitions,omitempty"`
	RelatedImages  []RelatedImage `json:"relatedImages"`
}

// Maintainer is whom to write to.
type Maintainer struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Link is a name with an address.
type Link struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

// Icon is a picture in base64.
type Icon struct {
	Data      string `json:"base64data"`
	MediaType string `json:"mediatype"`
}

// InstallMode says whether the operator bears an OperatorGroup of this type.
type InstallMode struct {
	Type      string `json:"type"`
	Supported bool   `json:"supported"`
}

// OwnedCRDs are the kinds that come with the operator.
type OwnedCRDs struct {
	Owned []OwnedCRD `json:"owned"`
}

// OwnedCRD is one version of one kind, as the console shows it.
type OwnedCRD struct {
	Name        string       `json:"name"`
	Version     string       `json:"version"`
	Kind        string       `json:"kind"`
	DisplayName string       `json:"displayName"`
	Description string       `json:"description"`
	Resources   []Resource   `json:"resources"`
	Specs       []Descriptor `json:"specDescriptors"`
	Statuses    []Descriptor `json:"statusDescriptors"`
}

// Resource is a kind of object that is made for an object of an owned kind.
type Resource struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
	Name    string `json:"name,omitempty"`
}

// Descriptor is a field that the console shows.
type Descriptor struct {
	Path        string   `json:"path"`
	DisplayName string   `json:"displayName"`
	Description string   `json:"description"`
	Descriptors []string `json:"x-descriptors,omitempty"`
}

// Install is what OLM applies.
type Install struct {
	Strategy string      `json:"strategy"`
	Spec     InstallSpec `json:"spec"`
}

// InstallSpec has the operator's Deployments and rights.
type InstallSpec struct {
	ClusterPermissions []Permission `json:"clusterPermissions"`
	Permissions        []Permission `json:"permissions"`
	Deployments        []Deployment `json:"deployments"`
}

// Permission is the rules of one service account.
type Permission struct {
	ServiceAccountName string              `json:"serviceAccountName"`
	Rules              []rbacv1.PolicyRule `json:"rules"`
}

// Deployment is a Deployment that OLM makes.
type Deployment struct {
	Name  string                `json:"name"`
	Label map[string]string     `json:"label,omitempty"`
	Spec  appsv1.DeploymentSpec `json:"spec"`
}

// Webhook is an admission or conversion webhook that OLM makes.
type Webhook struct {
	Type                    string   `json:"type"`
	GenerateName            string   `json:"generateName"`
	DeploymentName          string   `json:"deploymentName"`
	ContainerPort           int32    `json:"containerPort"`
	TargetPort              int32    `json:"targetPort"`
	SideEffects             string   `json:"sideEffects"`
	AdmissionReviewVersions []string `json:"admissionReviewVersions"`
}

// RelatedImage is an image that is run by the operator or as it, so that a
// mirror knows what to copy.
type RelatedImage struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}
