package authn_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/internal/authn"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/test/apiserver"
)

var server *apiserver.Server

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, &server)) }

// account is a ServiceAccount with a pod in a namespace of its own.
type account struct {
	client    kubernetes.Interface
	namespace string
	pod       *corev1.Pod
}

const accountName = "back"

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{client: kubernetes.NewForConfigOrDie(server.Config)}
	core := a.client.CoreV1()
	ns, err := core.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.namespace = ns.Name
	if _, err := core.ServiceAccounts(ns.Name).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: accountName}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a.pod, err = core.Pods(ns.Name).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "back-1"},
		Spec: corev1.PodSpec{
			ServiceAccountName: accountName, AutomountServiceAccountToken: ptr.To(false),
			Containers: []corev1.Container{{Name: "app", Image: "app"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// token is one for the audience, bound to the pod if wanted; an empty audience
// is the API server's own.
func (a *account) token(t *testing.T, audience string, bound bool) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	if bound {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: a.pod.Name, UID: a.pod.UID}
	}
	out, err := a.client.CoreV1().ServiceAccounts(a.namespace).CreateToken(t.Context(), accountName, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out.Status.Token
}

func TestReview(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	id := spiffe.ID{Namespace: a.namespace, ServiceAccount: accountName}
	gone := newAccount(t)
	orphan := gone.token(t, authn.AudienceCA, true)
	if err := gone.client.CoreV1().Pods(gone.namespace).Delete(t.Context(), gone.pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		token   string
		want    authn.Caller
		refused bool
	}{
		"a pod's token tells the pod":             {token: a.token(t, authn.AudienceCA, true), want: authn.Caller{ID: id, Pod: a.pod.Name, PodUID: string(a.pod.UID)}},
		"a token of no pod is the ServiceAccount": {token: a.token(t, authn.AudienceCA, false), want: authn.Caller{ID: id}},
		"another audience is refused":             {token: a.token(t, "vault", true), refused: true},
		"the API server's audience is refused":    {token: a.token(t, "", true), refused: true},
		"a pod that is gone is refused":           {token: orphan, refused: true},
		"nonsense is refused":                     {token: "nonsense", refused: true},
		"nothing is refused":                      {refused: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := authn.NewTokens(a.client, authn.AudienceCA).Review(t.Context(), tc.token)
			if tc.refused != errors.Is(err, authn.ErrRefused) || (err != nil && !tc.refused) {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestByTokenOrCertificate(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	good := a.token(t, authn.AudienceCA, true)
	// A port of loopback where nobody listens stands for an API server that is away.
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := kubernetes.NewForConfigOrDie(&rest.Config{Host: lis.Addr().String(), Timeout: time.Second})
	if err := lis.Close(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		client kubernetes.Interface
		header []string
		code   codes.Code
	}{
		"a good token":                {client: a.client, header: []string{"Bearer " + good}},
		"the scheme in lower case":    {client: a.client, header: []string{"bearer " + good}},
		"a bad token":                 {client: a.client, header: []string{"Bearer x"}, code: codes.Unauthenticated},
		"neither token nor handshake": {client: a.client, code: codes.Unauthenticated},
		"two headers":                 {client: a.client, header: []string{"Bearer " + good, "Bearer " + good}, code: codes.Unauthenticated},
		"another scheme":              {client: a.client, header: []string{"Basic " + good}, code: codes.Unauthenticated},
		"no API server to ask":        {client: away, header: []string{"Bearer " + good}, code: codes.Unavailable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peers := &authn.Peers{TrustDomain: "td", Tokens: authn.NewTokens(tc.client, authn.AudienceCA)}
			ctx := metadata.NewIncomingContext(context.Background(), metadata.MD{"authorization": tc.header})
			got, err := peers.ByTokenOrCertificate(ctx)
			if status.Code(err) != tc.code {
				t.Fatalf("error is %v, want %s", err, tc.code)
			}
			if want := (spiffe.ID{TrustDomain: "td", Namespace: a.namespace, ServiceAccount: accountName}); err == nil && got.ID != want {
				t.Errorf("caller is %s, want %s", got.ID, want)
			}
		})
	}
}
