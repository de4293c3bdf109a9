package xds

import (
	"encoding/json"
	"net/http"

	"github.com/meshwright/meshwright/internal/xds/report"
)

// DebugHandler serves the report of connected proxies. It authenticates
// nobody: wrap it.
func DebugHandler(e Engine) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			http.Error(w, "only GET is served", http.StatusMethodNotAllowed)
			return
		}
		states := e.Proxies(r.Context())
		if states == nil {
			http.Error(w, "the engine is not running", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// The client is gone if this fails.
		_ = json.NewEncoder(w).Encode(report.Report{Proxies: states})
	})
}
