package spiffe

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
)

// DefaultTrustDomain is Istio's, so that policies move over unchanged.
const DefaultTrustDomain = "cluster.local"

// ID names a workload by its ServiceAccount:
// spiffe://<trust domain>/ns/<namespace>/sa/<service account>, Istio's form.
// The zero value names nobody. IDs compare with ==.
type ID struct {
	TrustDomain    string
	Namespace      string
	ServiceAccount string
}

// String is the ID as the URI SAN of an SVID has it.
func (id ID) String() string { return id.URI().String() }

// URI is the ID as a URL, for certificate templates.
func (id ID) URI() *url.URL {
	return &url.URL{Scheme: "spiffe", Host: id.TrustDomain, Path: "/ns/" + id.Namespace + "/sa/" + id.ServiceAccount}
}

// Validate reports what is wrong with the parts of an ID, nil if nothing is.
// Parts may hold what SPIFFE allows in trust domains and path segments, which
// Kubernetes names always fit.
func (id ID) Validate() error {
	if !within(id.TrustDomain, domainChars) {
		return fmt.Errorf("trust domain %q is empty or has characters other than a-z, 0-9, dot, dash and underscore", id.TrustDomain)
	}
	for what, part := range map[string]string{"namespace": id.Namespace, "service account": id.ServiceAccount} {
		if !within(part, segmentChars) || part == "." || part == ".." {
			return fmt.Errorf("%s %q is empty or not a SPIFFE path segment", what, part)
		}
	}
	return nil
}

// What the SPIFFE-ID standard, section 2, allows in a trust domain and in a
// path segment.
const (
	domainChars  = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
	segmentChars = domainChars + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func within(s, chars string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(chars, r) })
}

// Parse reads an ID. Anything but Istio's form is an error that quotes it: no
// query, fragment, user, port, escapes or further segments.
func Parse(s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, "spiffe://")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return ID{}, fmt.Errorf("parse SPIFFE ID %q: want spiffe://<trust domain>/ns/<namespace>/sa/<service account>", s)
	}
	id := ID{TrustDomain: parts[0], Namespace: parts[2], ServiceAccount: parts[4]}
	if err := id.Validate(); err != nil {
		return ID{}, fmt.Errorf("parse SPIFFE ID %q: %w", s, err)
	}
	return id, nil
}

// FromCertificate is the ID of an SVID: its one and only URI SAN (X509-SVID
// standard, section 2). It does not verify the certificate.
func FromCertificate(cert *x509.Certificate) (ID, error) {
	if n := len(cert.URIs); n != 1 {
		return ID{}, fmt.Errorf("read SPIFFE ID of certificate: it has %d URI names, an SVID has one", n)
	}
	return Parse(cert.URIs[0].String())
}
