//go:build e2e

package zlifecycle

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/test/e2e"
)

// Two teams have a mesh each on one node. Nothing of the one is the other's:
// sidecars, certificates, configuration, removal.
func TestTwoMeshesShareANodeAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.remove(installName)
	w.installOperator(map[string]any{"operandNamespaces": map[string]any{"mesh": []any{"mesh-system", "mesh-blue", "mesh-red"}}})
	teams := []string{"blue", "red"}
	namespaces := map[string]string{}
	for _, team := range teams {
		w.createTeam(team)
		namespaces[team] = w.Namespace(t, "team="+team, "istio.io/rev="+team)
	}
	for _, team := range teams {
		w.Kubectl(t, "wait", "meshinstall/"+team, "--for=condition=Ready", "--timeout", e2e.Timeout.String())
	}
	for _, team := range teams {
		w.Deploy(t, namespaces[team], e2e.App{Name: "app"})
	}
	for i, team := range teams {
		other := teams[1-i]
		proxy := w.Cluster.Proxy(t, namespaces[team], "deployment/app")
		clusters := strings.Join(proxy.Clusters(t), "\n")
		if !strings.Contains(clusters, "app."+namespaces[team]+".svc") || strings.Contains(clusters, namespaces[other]) {
			t.Errorf("the proxy of %s has clusters\n%s\nwant those of %s, and none of %s", team, clusters, namespaces[team], namespaces[other])
		}
		leaf := w.leaf(proxy)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: w.rootsOf(team), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("the certificate of %s is not of its own authority: %v", team, err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: w.rootsOf(other), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			t.Errorf("the certificate of %s is of the authority of %s", team, other)
		}
		printed, err := w.Meshwright(t, "proxies", "--install", team)
		if err != nil || !strings.Contains(printed, namespaces[team]) || strings.Contains(printed, namespaces[other]) {
			t.Errorf("proxies --install %s: %v\n%s", team, err, printed)
		}
	}

	w.remove("blue")
	w.restart(namespaces["blue"])
	w.injected(namespaces["blue"], false)
	w.restart(namespaces["red"])
	w.injected(namespaces["red"], true)
}

// createTeam makes the mesh of a team until the test ends.
func (w *world) createTeam(team string) {
	w.Helper()
	install := &v1alpha1.MeshInstall{ObjectMeta: metav1.ObjectMeta{Name: team}, Spec: minimal()}
	install.Spec.Namespace, install.Spec.Tags = "mesh-"+team, []string{team}
	install.Spec.Scope = &v1alpha1.Scope{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}}
	if err := w.objects.Create(w.Context(), install); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if _, err := w.Cluster.Run(ended(w.T), "delete", "meshinstall", team, "--ignore-not-found"); err != nil {
			w.Error(err)
		}
	})
}

// leaf is the certificate that a proxy presents.
func (w *world) leaf(proxy *e2e.Proxy) *x509.Certificate {
	w.Helper()
	var dump struct {
		Configs []struct {
			Secret struct {
				Certificate struct {
					Chain struct {
						Bytes []byte `json:"inline_bytes"`
					} `json:"certificate_chain"`
				} `json:"tls_certificate"`
			}
		}
	}
	if err := json.Unmarshal(proxy.Get(w.T, "/config_dump?resource=dynamic_active_secrets"), &dump); err != nil {
		w.Fatal(err)
	}
	for _, c := range dump.Configs {
		if block, _ := pem.Decode(c.Secret.Certificate.Chain.Bytes); block != nil {
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				w.Fatal(err)
			}
			return leaf
		}
	}
	w.Fatalf("%s has no certificate", proxy.Name)
	return nil
}

// rootsOf are the published roots of a team's mesh.
func (w *world) rootsOf(team string) *x509.CertPool {
	w.Helper()
	published := &corev1.ConfigMap{}
	if err := w.objects.Get(w.Context(), client.ObjectKey{Namespace: "mesh-" + team, Name: "meshwright-ca-root"}, published); err != nil {
		w.Fatal(err)
	}
	pool := x509.NewCertPool()
	for _, text := range published.Data {
		if !pool.AppendCertsFromPEM([]byte(text)) {
			w.Fatalf("the roots of %s are %q", team, text)
		}
	}
	return pool
}
