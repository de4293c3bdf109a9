package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/internal/spiffe"
)

const (
	// AudienceCA is the audience of the tokens that pods buy certificates with:
	// Istio's, so that pod manifests need not differ.
	AudienceCA = "istio-ca"
	// AudienceDebug is the audience of the tokens that people bring to the
	// debug endpoints. Whoever sees one there can do nothing else with it.
	AudienceDebug = "meshwright-debug"
)

// ErrRefused says that a token was looked at and is not good, as against not
// having been looked at.
var ErrRefused = errors.New("token refused")

// Where the API server says which pod a token is bound to.
const (
	podNameKey = "authentication.kubernetes.io/pod-name"
	podUIDKey  = "authentication.kubernetes.io/pod-uid"
)

const serviceAccountPrefix = "system:serviceaccount:"

// Tokens reviews bearer tokens for one audience with the API server.
type Tokens struct {
	client   kubernetes.Interface
	audience string
}

// NewTokens reviews tokens that were made for the audience, and no others.
func NewTokens(client kubernetes.Interface, audience string) *Tokens {
	return &Tokens{client: client, audience: audience}
}

// Review is the ServiceAccount that holds the token, without a trust domain,
// and its pod if the token is bound to one. The error is ErrRefused if the
// token is bad, expired, for another audience or not a ServiceAccount's;
// otherwise the API server was not to be asked.
func (t *Tokens) Review(ctx context.Context, token string) (Caller, error) {
	user, err := t.user(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	name, ok := strings.CutPrefix(user.Username, serviceAccountPrefix)
	namespace, account, found := strings.Cut(name, ":")
	if !ok || !found {
		return Caller{}, fmt.Errorf("%w: user %q is no ServiceAccount", ErrRefused, user.Username)
	}
	return Caller{
		ID:     spiffe.ID{Namespace: namespace, ServiceAccount: account},
		Pod:    first(user.Extra[podNameKey]),
		PodUID: first(user.Extra[podUIDKey]),
	}, nil
}

// user is the holder of the token as the API server knows it.
func (t *Tokens) user(ctx context.Context, token string) (authenticationv1.UserInfo, error) {
	if token == "" {
		return authenticationv1.UserInfo{}, fmt.Errorf("%w: it is empty", ErrRefused)
	}
	review, err := t.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{t.audience}},
	}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return authenticationv1.UserInfo{}, fmt.Errorf("review token: %w", err)
	case !review.Status.Authenticated:
		return authenticationv1.UserInfo{}, fmt.Errorf("%w: not valid for audience %q", ErrRefused, t.audience)
	case !slices.Contains(review.Status.Audiences, t.audience):
		// An authenticator that does not know audiences says yes without naming one.
		return authenticationv1.UserInfo{}, fmt.Errorf("%w: the API server did not confirm audience %q", ErrRefused, t.audience)
	}
	return review.Status.User, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
