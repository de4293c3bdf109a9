package ads

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/ca"
	"github.com/meshwright/meshwright/internal/spiffe"
)

// authority is the one CA of all tests.
var authority = sync.OnceValues(func() (*ca.Authority, error) { return ca.NewRoot("cluster.local", time.Now()) })

// NewSVID is the certificate of a workload of trust domain cluster.local, good
// for an hour. All are of one CA.
func NewSVID(t testing.TB, namespace, account string) *SVID {
	t.Helper()
	root, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := root.Sign(ca.Request{
		ID:        spiffe.ID{TrustDomain: "cluster.local", Namespace: namespace, ServiceAccount: account},
		PublicKey: key.Public(), Life: time.Hour,
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	text, err := ca.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	return &SVID{TrustDomain: "cluster.local", Chain: ca.CertificatePEM(cert), Key: text, Roots: ca.CertificatePEM(root.Certificate())}
}
