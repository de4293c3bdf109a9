package xds

import (
	"encoding/json"
	"net/http"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

// DebugPath is where the sync state of proxies is served.
const DebugPath = "/debug/proxies"

// Report is the answer of DebugPath, as JSON.
type Report struct {
	Proxies []cache.ProxyState `json:"proxies"`
}

// DebugHandler serves the sync state of connected proxies. It authenticates
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
		_ = json.NewEncoder(w).Encode(Report{Proxies: states})
	})
}
