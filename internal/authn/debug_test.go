package authn_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/internal/authn"
)

// allow gives the account the right that the debug endpoints ask for.
func (a *account) allow(t *testing.T) {
	t.Helper()
	rbac := a.client.RbacV1()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "debug-" + a.namespace},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"meshwright.io"}, Resources: []string{"meshrevisions/debug"}, Verbs: []string{"get"}}},
	}
	if _, err := rbac.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a.namespace, Name: accountName}},
	}
	if _, err := rbac.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// ask is the status of a request with the Authorization header.
func ask(t *testing.T, url, authorization string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

func TestDebugLetsInWhoMay(t *testing.T) {
	t.Parallel()
	may, mayNot := newAccount(t), newAccount(t)
	may.allow(t)
	secret := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "all proxies") })
	tests := map[string]struct {
		authorization string
		want          int
	}{
		"who may":                             {authorization: "Bearer " + may.token(t, authn.AudienceDebug, false), want: http.StatusOK},
		"who may not":                         {authorization: "Bearer " + mayNot.token(t, authn.AudienceDebug, false), want: http.StatusForbidden},
		"who brings the API server's token":   {authorization: "Bearer " + may.token(t, "", false), want: http.StatusUnauthorized},
		"who brings a token for certificates": {authorization: "Bearer " + may.token(t, authn.AudienceCA, false), want: http.StatusUnauthorized},
		"who brings nonsense":                 {authorization: "Bearer x", want: http.StatusUnauthorized},
		"who brings nothing":                  {want: http.StatusUnauthorized},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := httptest.NewServer(authn.NewDebug(may.client).Protect(secret))
			t.Cleanup(front.Close)
			for range 2 { // the second answer may come from memory
				if got := ask(t, front.URL, tc.authorization); got != tc.want {
					t.Errorf("status %d, want %d", got, tc.want)
				}
			}
		})
	}
}

func TestDebugSlowsDownGuessing(t *testing.T) {
	t.Parallel()
	may := newAccount(t)
	may.allow(t)
	front := httptest.NewServer(authn.NewDebug(may.client).Protect(http.NotFoundHandler()))
	t.Cleanup(front.Close)
	good := "Bearer " + may.token(t, authn.AudienceDebug, false)
	if got := ask(t, front.URL, good); got != http.StatusNotFound {
		t.Fatalf("who may gets %d", got)
	}
	seen := map[int]int{}
	for range 30 {
		seen[ask(t, front.URL, "Bearer x")]++
	}
	if seen[http.StatusUnauthorized] == 0 || seen[http.StatusTooManyRequests] == 0 || len(seen) != 2 {
		t.Errorf("statuses %v, want some 401 and then 429", seen)
	}
	if got := ask(t, front.URL, good); got != http.StatusNotFound {
		t.Errorf("who was let in a moment ago gets %d", got)
	}
}
