package cmd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/agent/svid"
	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/ca/store"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/apiserver"
)

// TestWorkloadBuysItsCertificate joins the agent's client and discovery's
// server over a real API server: the token, its review, the published roots.
func TestWorkloadBuysItsCertificate(t *testing.T) {
	t.Parallel()
	client := kubernetes.NewForConfigOrDie(apiserver.Start(t).Config)
	for _, name := range []string{"mesh-system", "shop", "elsewhere"} {
		if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"shop", "elsewhere"} {
		if _, err := client.CoreV1().ServiceAccounts(name).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "back"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	id, err := newIdentity(t.Context(), client, identityOptions{
		TrustDomain: "cluster.local", ClusterDomain: "cluster.local", Namespace: "mesh-system", ServiceAccount: "meshwright-discovery",
		Services: discoveryServices, BundleNamespaces: []string{"mesh-system"}, Life: 24 * time.Hour,
		InScope: func(namespace string) bool { return namespace != "elsewhere" },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := id.store.Refresh(t.Context(), id.holder); err != nil {
		t.Fatal(err)
	}
	roots, err := client.CoreV1().ConfigMaps("mesh-system").Get(t.Context(), store.BundleName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := id.grpcServer(testr.New(t))
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)

	tests := map[string]struct {
		audience string
		id       spiffe.ID
		err      string // a part of the error; empty means none
	}{
		"its own":                         {audience: authn.AudienceCA, id: spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "back"}},
		"not with another token":          {audience: "vault", id: spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "back"}, err: "Unauthenticated"},
		"not somebody else's":             {audience: authn.AudienceCA, id: spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}, err: "PermissionDenied"},
		"not one of another trust domain": {audience: authn.AudienceCA, id: spiffe.ID{TrustDomain: "other", Namespace: "shop", ServiceAccount: "back"}, err: "PermissionDenied"},
		"not one out of the mesh's scope": {audience: authn.AudienceCA, id: spiffe.ID{TrustDomain: "cluster.local", Namespace: "elsewhere", ServiceAccount: "back"}, err: "namespace elsewhere does not belong to this mesh"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			namespace := "shop"
			if tc.id.Namespace == "elsewhere" {
				namespace = tc.id.Namespace
			}
			token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), "back", &authenticationv1.TokenRequest{
				Spec: authenticationv1.TokenRequestSpec{Audiences: []string{tc.audience}},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte(token.Status.Token), 0o600); err != nil {
				t.Fatal(err)
			}
			buyer := &svid.Client{
				Address: "meshwright-discovery-retired-0123456789.mesh-system.svc:15012", ID: tc.id, TokenFile: file,
				Anchors: func() ([]byte, error) { return []byte(roots.Data[store.BundleKey]), nil },
				// There is no DNS here; the name is verified all the same.
				Dial: func(ctx context.Context, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "tcp", lis.Addr().String())
				},
			}
			got, err := buyer.Fetch(t.Context())
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if life := time.Until(got.NotAfter); life > 24*time.Hour || life < 23*time.Hour {
				t.Errorf("the certificate lives %s more", life)
			}
		})
	}
}
