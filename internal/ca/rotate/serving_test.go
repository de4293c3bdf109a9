package rotate_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/ca/rotate"
	"github.com/meshwright/meshwright/internal/ca/slot"
	"github.com/meshwright/meshwright/internal/spiffe"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newSet(t *testing.T) *slot.Set {
	t.Helper()
	root, err := ca.NewRoot("td", noon)
	if err != nil {
		t.Fatal(err)
	}
	return &slot.Set{Current: root}
}

// steps are moments at which a handshake asks for the certificate.
func TestServingRenews(t *testing.T) {
	t.Parallel()
	type step struct {
		after   time.Duration // since noon
		swap    bool          // another authority signs from here on
		renewed bool
	}
	tests := map[string][]step{
		"at half of its life":               {{renewed: true}, {after: 11 * time.Hour}, {after: 12 * time.Hour, renewed: true}, {after: 13 * time.Hour}},
		"when another authority signs":      {{renewed: true}, {after: time.Hour, swap: true, renewed: true}, {after: 2 * time.Hour}},
		"ever sooner near the signer's end": {{after: ca.RootLife - 13*time.Hour, renewed: true}, {after: ca.RootLife - time.Hour, renewed: true}, {after: ca.RootLife - time.Minute, renewed: true}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var holder slot.Holder
			holder.Set(newSet(t))
			var now time.Time
			id := spiffe.ID{TrustDomain: "td", Namespace: "mesh-system", ServiceAccount: "discovery"}
			serving := rotate.NewServing(&holder, ca.Request{ID: id, Life: 24 * time.Hour, DNSNames: []string{"d.mesh-system.svc"}}, func() time.Time { return now })
			var last []byte
			for i, s := range steps {
				now = noon.Add(s.after)
				if s.swap {
					holder.Set(newSet(t))
				}
				cert, err := serving.GetCertificate(nil)
				if err != nil {
					t.Fatal(err)
				}
				if renewed := !bytes.Equal(cert.Leaf.Raw, last); renewed != s.renewed {
					t.Errorf("step %d: renewed is %v, want %v", i, renewed, s.renewed)
				}
				last = cert.Leaf.Raw
				if now.Before(cert.Leaf.NotBefore) || now.After(cert.Leaf.NotAfter) {
					t.Errorf("step %d: the certificate is not valid now", i)
				}
			}
		})
	}
}

func TestServingKeepsItsCertificateWhenIssuingFails(t *testing.T) {
	t.Parallel()
	var holder slot.Holder
	holder.Set(newSet(t))
	now := noon
	serving := rotate.NewServing(&holder, ca.Request{ID: spiffe.ID{TrustDomain: "td", Namespace: "a", ServiceAccount: "b"}, Life: time.Hour}, func() time.Time { return now })
	first, err := serving.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	future, err := ca.NewRoot("td", noon.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	holder.Set(&slot.Set{Current: future})
	now = noon.Add(50 * time.Minute)
	if got, err := serving.GetCertificate(nil); err != nil || got != first {
		t.Errorf("got another certificate or %v while the first is valid", err)
	}
	now = noon.Add(2 * time.Hour)
	if _, err := serving.GetCertificate(nil); err == nil {
		t.Error("an expired certificate was served")
	}
}

func TestServiceNames(t *testing.T) {
	t.Parallel()
	got := rotate.ServiceNames([]string{"meshwright-discovery", "meshwright-discovery-r1"}, "mesh-system", "cluster.local")
	want := []string{
		"meshwright-discovery.mesh-system.svc", "meshwright-discovery.mesh-system.svc.cluster.local",
		"meshwright-discovery-r1.mesh-system.svc", "meshwright-discovery-r1.mesh-system.svc.cluster.local",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
