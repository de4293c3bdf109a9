package cmd

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/agent"
)

func TestLeaveWaitsForTheAgent(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		want   string
	}{
		"the agent lets go":        {status: http.StatusOK},
		"an answer that is no yes": {status: http.StatusNotFound, want: "404"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != agent.DrainPath {
					t.Errorf("asked %s %s", r.Method, r.URL)
				}
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			err := tellAgent(t.Context(), server.Listener.Addr().(*net.TCPAddr).Port)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
