package webhook

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const day = 24 * time.Hour

// shared is a namespace with a webhook configuration, for keepers to share.
type shared struct {
	client    client.Client
	namespace string
	now       time.Time
}

func newShared(t *testing.T, namespace string) *shared {
	t.Helper()
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &shared{client: c, namespace: namespace, now: time.Now()}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	if err := s.apply(t, "a", "b"); err != nil {
		t.Fatal(err)
	}
	return s
}

// apply writes the configuration as the operator does: by server-side apply.
func (s *shared) apply(t *testing.T, webhooks ...string) error {
	t.Helper()
	config := &admissionregistrationv1.MutatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingWebhookConfiguration"},
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
	}
	for _, name := range webhooks {
		config.Webhooks = append(config.Webhooks, admissionregistrationv1.MutatingWebhook{
			Name:                    name + ".example.com",
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             ptr.To(admissionregistrationv1.SideEffectClassNone),
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				Service: &admissionregistrationv1.ServiceReference{Namespace: s.namespace, Name: "injector"},
			},
		})
	}
	return s.client.Patch(t.Context(), config, client.Apply, client.FieldOwner("operator"), client.ForceOwnership) //nolint:staticcheck // typed objects have no other way
}

// keeper is one more replica.
func (s *shared) keeper() *keeper {
	return &keeper{
		client: s.client, namespace: s.namespace, webhookName: s.namespace,
		names: []string{"injector." + s.namespace + ".svc"},
		now:   func() time.Time { return s.now },
	}
}

func (s *shared) turn(t *testing.T, k *keeper) {
	t.Helper()
	if _, err := k.Reconcile(t.Context(), reconcile.Request{}); err != nil {
		t.Fatal(err)
	}
}

func (s *shared) config(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	var config admissionregistrationv1.MutatingWebhookConfiguration
	if err := s.client.Get(t.Context(), client.ObjectKey{Name: s.namespace}, &config); err != nil {
		t.Fatal(err)
	}
	return &config
}

func (s *shared) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	var secret corev1.Secret
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: SecretName}, &secret); err != nil {
		t.Fatal(err)
	}
	return &secret
}

// verify asks, as the API server does, whether what the keeper serves can be
// trusted now.
func (s *shared) verify(t *testing.T, k *keeper) {
	t.Helper()
	serving, err := k.getCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, webhook := range s.config(t).Webhooks {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(webhook.ClientConfig.CABundle)
		_, err = serving.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: k.names[0], CurrentTime: s.now})
		if err != nil {
			t.Errorf("after %s, webhook %s: %v", s.now, webhook.Name, err)
		}
	}
}

func TestReplicasShareOneAuthority(t *testing.T) {
	t.Parallel()
	s := newShared(t, "replicas")
	one, two := s.keeper(), s.keeper()
	if _, err := one.getCertificate(nil); err == nil {
		t.Error("a certificate before the first turn")
	}
	s.turn(t, one)
	s.turn(t, two)
	s.turn(t, one)
	s.verify(t, one)
	s.verify(t, two)
}

func TestSteadyStateWritesNothing(t *testing.T) {
	t.Parallel()
	s := newShared(t, "steady")
	k := s.keeper()
	s.turn(t, k)
	config, secret, serving := s.config(t).ResourceVersion, s.secret(t).ResourceVersion, k.serving.Load()
	for range 3 {
		s.now = s.now.Add(day)
		s.turn(t, k)
	}
	if got := s.config(t).ResourceVersion; got != config {
		t.Error("the configuration was written")
	}
	if got := s.secret(t).ResourceVersion; got != secret {
		t.Error("the secret was written")
	}
	if k.serving.Load() != serving {
		t.Error("another certificate is served")
	}
}

// Two years, five days at a time, with a replica that sleeps between its turns:
// what either serves can be verified on each.
func TestRenewalIsNotNoticed(t *testing.T) {
	t.Parallel()
	s := newShared(t, "renewal")
	one, two := s.keeper(), s.keeper()
	authorities := map[string]bool{}
	for range 146 {
		s.turn(t, one)
		s.verify(t, one)
		if two.serving.Load() != nil {
			s.verify(t, two)
		}
		s.turn(t, two)
		s.verify(t, one)
		s.verify(t, two)
		authorities[string(s.secret(t).Data[keyCert])] = true
		s.now = s.now.Add(5 * day)
	}
	if len(authorities) != 3 {
		t.Errorf("%d authorities in two years, want 3", len(authorities))
	}
}

func TestALostSecretIsWrittenAgainAsItWas(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testing.T, *shared){
		"deleted": func(t *testing.T, s *shared) {
			if err := s.client.Delete(t.Context(), s.secret(t)); err != nil {
				t.Fatal(err)
			}
		},
		"unreadable": func(t *testing.T, s *shared) {
			secret := s.secret(t)
			secret.Data[keyKey] = []byte("x")
			if err := s.client.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, "lost-"+name)
			k := s.keeper()
			s.turn(t, k)
			cert := string(s.secret(t).Data[keyCert])
			lose(t, s)
			s.turn(t, k)
			if string(s.secret(t).Data[keyCert]) != cert {
				t.Error("another authority")
			}
			s.verify(t, k)
		})
	}
}

func TestAStrangersAuthorityIsTakenUp(t *testing.T) {
	t.Parallel()
	s := newShared(t, "stranger")
	k := s.keeper()
	s.turn(t, k)
	a, err := newAuthority(s.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret := s.secret(t)
	secret.Data = a.data()
	if err := s.client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.turn(t, k)
	s.verify(t, k)
}

func TestAConfigurationThatComesLaterGetsItsBundle(t *testing.T) {
	t.Parallel()
	s := newShared(t, "later")
	if err := s.client.Delete(t.Context(), s.config(t)); err != nil {
		t.Fatal(err)
	}
	k := s.keeper()
	s.turn(t, k)
	if err := s.apply(t, "a"); err != nil {
		t.Fatal(err)
	}
	s.turn(t, k)
	s.verify(t, k)
}

// Webhooks are an associative list: whoever owns a field of an entry keeps the
// entry. The injector's field must not keep the operator from removing one.
func TestTheOperatorMayRemoveAWebhook(t *testing.T) {
	t.Parallel()
	s := newShared(t, "removal")
	k := s.keeper()
	s.turn(t, k)
	if err := s.apply(t, "a", "b"); err != nil {
		t.Fatal(err)
	}
	s.verify(t, k)
	if err := s.apply(t, "b"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range s.config(t).Webhooks {
		names = append(names, w.Name)
	}
	if got := strings.Join(names, " "); got != "b.example.com" {
		t.Errorf("webhooks %s, want b.example.com", got)
	}
	s.verify(t, k)
}
