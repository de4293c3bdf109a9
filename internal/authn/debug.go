package authn

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"

	"golang.org/x/time/rate"
)

// The right that the debug endpoints ask for: get on meshrevisions/debug of
// meshwright.io, a resource of ours, so that no built-in role grants it by
// accident.
const (
	debugGroup       = "meshwright.io"
	debugResource    = "meshrevisions"
	debugSubresource = "debug"
	debugVerb        = "get"
)

const (
	// allowedFor is how long a yes is remembered: a person's tool makes several
	// requests in a row, and a right that is taken away should end soon.
	allowedFor = 10 * time.Second
	// A host may fail failuresBurst times at once and failuresPerSecond after.
	failuresPerSecond = 0.5
	failuresBurst     = 10
	remembered        = 1024
)

// Debug guards HTTP endpoints for people: it lets in who brings a token for
// AudienceDebug and may get meshrevisions/debug. It may be used concurrently.
type Debug struct {
	client   kubernetes.Interface
	tokens   *Tokens
	allowed  *cache.LRUExpireCache // sha256 of token -> user name
	failures *cache.LRUExpireCache // host -> *rate.Limiter
}

// NewDebug asks the API server through client.
func NewDebug(client kubernetes.Interface) *Debug {
	return &Debug{
		client:   client,
		tokens:   NewTokens(client, AudienceDebug),
		allowed:  cache.NewLRUExpireCache(remembered),
		failures: cache.NewLRUExpireCache(remembered),
	}
}

// Protect passes on to next only who may. Others get 401 (no or bad token), 403
// (not allowed), 429 (too many failures from that host) or 503 (the API server
// does not answer), with a line that says what to do.
func (d *Debug) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := bearer(r.Header.Values("Authorization"))
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "bring a ServiceAccount token for audience "+AudienceDebug, http.StatusUnauthorized)
			return
		}
		key := sha256.Sum256([]byte(token))
		if _, ok := d.allowed.Get(key); ok {
			next.ServeHTTP(w, r)
			return
		}
		limiter := d.limiter(r)
		if limiter.Tokens() < 1 {
			http.Error(w, "too many refused requests, try again later", http.StatusTooManyRequests)
			return
		}
		if code, err := d.check(r.Context(), token); err != nil {
			limiter.Allow()
			logr.FromContextOrDiscard(r.Context()).V(1).Info("Refused debug request", "reason", err.Error())
			http.Error(w, err.Error(), code)
			return
		}
		d.allowed.Add(key, true, allowedFor)
		next.ServeHTTP(w, r)
	})
}

// check returns the HTTP status to refuse with, and why.
func (d *Debug) check(ctx context.Context, token string) (int, error) {
	user, err := d.tokens.user(ctx, token)
	if errors.Is(err, ErrRefused) {
		return http.StatusUnauthorized, err
	}
	if err != nil {
		return http.StatusServiceUnavailable, err
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	review, err := d.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: debugGroup, Resource: debugResource, Subresource: debugSubresource, Verb: debugVerb,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return http.StatusServiceUnavailable, fmt.Errorf("review access: %w", err)
	}
	if !review.Status.Allowed {
		return http.StatusForbidden, fmt.Errorf("%s may not %s %s/%s of %s", user.Username, debugVerb, debugResource, debugSubresource, debugGroup)
	}
	return 0, nil
}

func (d *Debug) limiter(r *http.Request) *rate.Limiter {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if l, ok := d.failures.Get(host); ok {
		return l.(*rate.Limiter)
	}
	l := rate.NewLimiter(failuresPerSecond, failuresBurst)
	d.failures.Add(host, l, time.Hour)
	return l
}
