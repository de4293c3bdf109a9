package view

import "strings"

// patterns are the names under which an object may speak about a host, the most
// specific first: the host itself and each wildcard above it, "*" last.
func patterns(host string) []string {
	out := []string{host}
	rest := strings.TrimPrefix(host, "*.")
	if rest == "*" {
		return out
	}
	if rest == host {
		_, rest, _ = strings.Cut(host, ".")
	} else {
		_, rest, _ = strings.Cut(rest, ".")
	}
	for rest != "" {
		out = append(out, "*."+rest)
		_, rest, _ = strings.Cut(rest, ".")
	}
	return append(out, "*")
}

// covers reports whether pattern (a name, "*.suffix" or "*") stands for host,
// which may be a pattern itself.
func covers(pattern, host string) bool {
	if pattern == "*" || pattern == host {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*")
	return wild && strings.HasSuffix(host, suffix) && host != suffix
}

// intersect is the narrower of two patterns if one stands for the other.
func intersect(a, b string) (string, bool) {
	switch {
	case covers(a, b):
		return b, true
	case covers(b, a):
		return a, true
	}
	return "", false
}

// ShortNames are the names other than the full one by which clients in the
// service's namespace, and in any namespace, may call name.namespace (the
// search list that kubelet writes for pods).
func ShortNames(name, namespace string) (own, any []string) {
	return []string{name}, []string{name + "." + namespace, name + "." + namespace + ".svc"}
}

// shortName takes apart name.namespace and name.namespace.svc.
func shortName(host string) (name, namespace string, ok bool) {
	name, rest, ok := strings.Cut(host, ".")
	if !ok || name == "*" {
		return "", "", false
	}
	namespace = strings.TrimSuffix(rest, ".svc")
	return name, namespace, namespace != "" && !strings.Contains(namespace, ".")
}
