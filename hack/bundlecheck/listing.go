package bundlecheck

import (
	"encoding/base64"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

var version3 = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func nameHasTheVersion(b *Bundle) (m messages) {
	csv := b.csv()
	name, version := csv.Metadata.Name, csv.Spec.Version
	m.want(version3.MatchString(version), "spec.version %q is no version", version)
	m.want(name == b.annotations[prefix+"bundle.package.v1"]+".v"+version, "the name %q is not <package>.v%s", name, version)
	m.want(len(validation.IsDNS1123Subdomain(name)) == 0 && len(name) <= 63, "the name %q is no name of an object", name)
	return m
}

// Levels of capability, lowest first.
var Levels = []string{"Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot"}

// categories that both catalogues know.
var categories = []string{
	"AI/Machine Learning", "Application Runtime", "Big Data", "Cloud Provider", "Database", "Developer Tools", "Development Tools",
	"Integration & Delivery", "Logging & Tracing", "Modernization & Migration", "Monitoring", "Networking", "OpenShift Optional", "Security",
	"Storage", "Streaming & Messaging",
}

func csvAnnotationsAreValid(b *Bundle) (m messages) {
	a := b.csv().Metadata.Annotations
	m.want(slices.Contains(Levels, a["capabilities"]), "capabilities is %q, none of %v", a["capabilities"], Levels)
	for _, category := range strings.Split(a["categories"], ",") {
		m.want(slices.Contains(categories, strings.TrimSpace(category)), "category %q is not known", strings.TrimSpace(category))
	}
	m.want(isImage(a["containerImage"]), "containerImage %q is no image", a["containerImage"])
	_, err := time.Parse(time.RFC3339, a["createdAt"])
	m.want(err == nil, "createdAt %q is no time", a["createdAt"])
	m.want(len(a["description"]) >= 10 && len(a["description"]) <= 135, "description has %d letters; 10 to 135 are shown", len(a["description"]))
	m.want(strings.HasPrefix(a["repository"], "https://"), "repository %q is no https address", a["repository"])
	m.want(len(a["support"]) >= 3, "support is missing")
	m.want(a["operatorframework.io/suggested-namespace"] != "", "operatorframework.io/suggested-namespace is missing")
	return m
}

const featurePrefix = "features.operators.openshift.io/"

func featuresAreDeclared(b *Bundle) (m messages) {
	for _, feature := range []string{"disconnected", "fips-compliant", "proxy-aware", "tls-profiles", "token-auth-aws", "token-auth-azure", "token-auth-gcp"} {
		value := b.csv().Metadata.Annotations[featurePrefix+feature]
		m.want(value == "true" || value == "false", "%s%s is %q, neither true nor false", featurePrefix, feature, value)
	}
	return m
}

// disconnectedOnlyWithDigests: a mirror serves what is asked for by digest.
func disconnectedOnlyWithDigests(b *Bundle) (m messages) {
	digests := !slices.ContainsFunc(b.csv().Spec.RelatedImages, func(i RelatedImage) bool { return !strings.Contains(i.Image, "@sha256:") })
	claimed := b.csv().Metadata.Annotations[featurePrefix+"disconnected"] == "true"
	m.want(claimed == digests, "%sdisconnected is %v and all images have digests is %v", featurePrefix, claimed, digests)
	return m
}

func propertiesAreInTheirFile(b *Bundle) (m messages) {
	_, ok := b.csv().Metadata.Annotations["olm.properties"]
	m.want(!ok, "olm.properties belongs into metadata/properties.yaml")
	for key := range b.csv().Metadata.Annotations {
		m.want(!strings.EqualFold(key, "olm.skipRange") || key == "olm.skipRange", "%s is written olm.skipRange", key)
	}
	return m
}

// platformsAgree: a console offers the operator where its pods can run.
func platformsAgree(b *Bundle) (m messages) {
	platforms := map[string][]string{}
	for key, value := range b.csv().Metadata.Labels {
		for _, kind := range []string{"arch", "os"} {
			if name, ok := strings.CutPrefix(key, "operatorframework.io/"+kind+"."); ok && value == "supported" {
				platforms[kind] = append(platforms[kind], name)
			}
		}
	}
	for _, d := range b.csv().Spec.Install.Spec.Deployments {
		for kind, names := range platforms {
			node := d.Spec.Template.Spec.NodeSelector["kubernetes.io/"+kind]
			m.want(slices.Equal(names, []string{node}), "the labels say %s %v, Deployment %s runs on %q", kind, names, d.Name, node)
		}
	}
	m.want(len(platforms) == 2, "a label operatorframework.io/arch.* and one operatorframework.io/os.* are wanted")
	return m
}

func listingIsComplete(b *Bundle) (m messages) {
	spec := b.csv().Spec
	m.want(len(spec.DisplayName) >= 3 && len(spec.DisplayName) <= 50, "displayName %q has not 3 to 50 letters", spec.DisplayName)
	m.want(len(spec.Keywords) > 0, "keywords are missing")
	m.want(spec.Maturity != "", "maturity is missing")
	m.want(spec.Provider.Name != "", "provider.name is missing")
	m.want(len(spec.Maintainers) > 0, "maintainers are missing")
	for _, who := range spec.Maintainers {
		_, err := mail.ParseAddress(who.Email)
		m.want(who.Name != "" && err == nil, "maintainer %q has the address %q", who.Name, who.Email)
	}
	m.want(len(spec.Links) > 0, "links are missing")
	for _, link := range spec.Links {
		address, err := url.Parse(link.URL)
		m.want(link.Name != "" && err == nil && address.Scheme == "https" && address.Host != "", "link %q leads to %q", link.Name, link.URL)
	}
	return m
}

func descriptionHasItsSections(b *Bundle) (m messages) {
	text := b.csv().Spec.Description
	m.want(len(text) >= 20, "spec.description has %d letters", len(text))
	for _, section := range []string{"## What it manages", "## Features", "## Prerequisites"} {
		m.want(strings.Contains(text, section), "spec.description has no section %q", section)
	}
	return m
}

func iconIsAPicture(b *Bundle) (m messages) {
	icons := b.csv().Spec.Icon
	if len(icons) != 1 {
		m.add("there are %d icons, not one", len(icons))
		return m
	}
	data, err := base64.StdEncoding.DecodeString(icons[0].Data)
	m.want(err == nil && len(data) > 0, "the icon is not in base64")
	m.want(slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/svg+xml"}, icons[0].MediaType), "the icon is a %q", icons[0].MediaType)
	return m
}

// minKubeVersionIsSet also asks for what goes with it: outside a file-based
// catalogue, OpenShift's versions have to be named too.
func minKubeVersionIsSet(b *Bundle) (m messages) {
	minimum := b.csv().Spec.MinKubeVersion
	m.want(version3.MatchString(minimum), "minKubeVersion %q is no version", minimum)
	m.want(b.fileBased() || minimum == "" || b.annotations["com.redhat.openshift.versions"] != "", "com.redhat.openshift.versions is missing beside minKubeVersion")
	return m
}

func installModesAreComplete(b *Bundle) (m messages) {
	spec := b.csv().Spec
	seen, any := map[string]int{}, false
	for _, mode := range spec.InstallModes {
		seen[mode.Type]++
		any = any || mode.Supported
		converts := slices.ContainsFunc(spec.Webhooks, func(w Webhook) bool { return w.Type == "ConversionWebhook" })
		m.want(!converts || !mode.Supported || mode.Type == "AllNamespaces", "a conversion webhook bears only AllNamespaces, not %s", mode.Type)
	}
	for _, mode := range []string{"OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces"} {
		m.want(seen[mode] == 1, "install mode %s is there %d times", mode, seen[mode])
	}
	m.want(any, "no install mode is supported")
	return m
}
