package istio

import (
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// host is the full name for what a user wrote: lower case, and a name without a
// dot is a Service of the object's own namespace (Istio's rule). It refuses
// what is neither a DNS name, nor a wildcard "*" or "*.suffix", nor an address.
func (r reader) host(at *field.Path, text string) string {
	name := strings.ToLower(text)
	switch {
	case name == "":
		r.refuse(at, "a host is required; write a Service's name or a full DNS name")
	case name == "*":
	case strings.HasPrefix(name, "*"):
		if len(validation.IsWildcardDNS1123Subdomain(name)) > 0 {
			r.refuse(at, `%q is not a wildcard; only "*" and "*.example.com" are`, text)
		}
	default:
		if _, err := netip.ParseAddr(name); err == nil {
			return name
		}
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			r.refuse(at, "%q is not a DNS name; use letters, digits, \"-\" and \".\"", text)
		}
		if !strings.Contains(name, ".") {
			name += "." + r.meta.Namespace + ".svc." + r.domain
		}
	}
	r.suspectClusterHost(at, name)
	return name
}

// suspectClusterHost warns of the short forms that Istio takes as they are, so
// that they are nobody's name.
func (r reader) suspectClusterHost(at *field.Path, name string) {
	if strings.HasSuffix(name, ".svc") {
		r.suspect(at, "%q is no Service's full name and matches none; append .%s", name, r.domain)
	}
}

// labels refuses what no label selector could hold.
func (r reader) labels(at *field.Path, labels map[string]string) {
	for key, value := range labels {
		for _, message := range validation.IsQualifiedName(key) {
			r.refuse(at.Key(key), "the label's key: %s", message)
		}
		for _, message := range validation.IsValidLabelValue(value) {
			r.refuse(at.Key(key), "the label's value: %s", message)
		}
	}
}

// exportTo checks the list and returns it sorted, nil for "everybody".
func (r reader) exportTo(at *field.Path, names []string) []string {
	for i, name := range names {
		if name == "*" || name == "." || name == "~" {
			if len(names) > 1 && name != "." {
				r.refuse(at.Index(i), "%q cannot stand beside others; write it alone", name)
			}
			continue
		}
		if len(validation.IsDNS1123Label(name)) > 0 {
			r.refuse(at.Index(i), `%q is not a namespace, nor "*", "." or "~"`, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}
