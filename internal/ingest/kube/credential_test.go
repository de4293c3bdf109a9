package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func keyPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func TestCredential(t *testing.T) {
	t.Parallel()
	cert, key := keyPair(t)
	_, otherKey := keyPair(t)
	tests := map[string]struct {
		kind  corev1.SecretType
		data  map[string][]byte
		taken bool
		// field of the Problem, "" for none.
		field string
	}{
		"a TLS Secret is taken":                       {corev1.SecretTypeTLS, map[string][]byte{"tls.crt": cert, "tls.key": key}, true, ""},
		"Istio's generic names are taken":             {corev1.SecretTypeOpaque, map[string][]byte{"cert": cert, "key": key, "cacert": cert}, true, ""},
		"a CA alone is taken":                         {corev1.SecretTypeOpaque, map[string][]byte{"ca.crt": cert}, true, ""},
		"other Secrets are nothing to the mesh":       {corev1.SecretTypeOpaque, map[string][]byte{"password": []byte("x")}, false, ""},
		"a ServiceAccount's token is nothing":         {corev1.SecretTypeServiceAccountToken, map[string][]byte{"ca.crt": cert}, false, ""},
		"a key that is another certificate's refuses": {corev1.SecretTypeTLS, map[string][]byte{"tls.crt": cert, "tls.key": otherKey}, false, "data[tls.crt]"},
		"a TLS Secret without a key is refused":       {corev1.SecretTypeTLS, map[string][]byte{"tls.crt": cert}, false, "data[tls.crt]"},
		"a CA that is no PEM is refused":              {corev1.SecretTypeTLS, map[string][]byte{"tls.crt": cert, "tls.key": key, "ca.crt": []byte("x")}, false, "data[ca.crt]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, problems := Credential(&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "s"}, Type: test.kind, Data: test.data,
			})
			if (value != nil) != test.taken {
				t.Errorf("taken: %t", value != nil)
			}
			if test.field == "" {
				if len(problems) > 0 {
					t.Errorf("problems %v", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Field != test.field || !problems[0].Refused {
				t.Fatalf("problems %+v", problems)
			}
			for _, v := range test.data {
				if strings.Contains(problems[0].Message, string(v)) {
					t.Error("the message quotes the Secret")
				}
			}
		})
	}
}
