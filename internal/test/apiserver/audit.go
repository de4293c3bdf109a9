package apiserver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// auditPolicy records every request that may write, with what it answered:
// only the answer tells a write from an apply that changed nothing.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules:
- level: RequestResponse
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// Write is one request that changed what etcd holds.
type Write struct {
	Verb, Group, Resource, Subresource string
	Namespace, Name                    string
	User, UserAgent                    string
}

// WithAudit keeps the record that Writes reads.
func WithAudit() Option {
	return func(s *Server) error {
		policy := filepath.Join(s.dir, "audit-policy.yaml")
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			return fmt.Errorf("write the audit policy: %w", err)
		}
		s.environment.ControlPlane.GetAPIServer().Configure().
			Set("audit-policy-file", policy).Set("audit-log-path", s.auditLog)
		return nil
	}
}

// Writes are the requests so far that changed what etcd holds, in the order of
// their ends. Requests that failed, dry runs, reviews, and updates and applies
// that changed nothing are not among them. A request may show up a moment after
// its client has the answer. The server must have been started WithAudit.
func (s *Server) Writes(t testing.TB) []Write {
	t.Helper()
	log, err := os.ReadFile(s.auditLog)
	if err != nil {
		t.Fatalf("read the audit log (is the server started WithAudit?): %v", err)
	}
	writes, err := parseWrites(log)
	if err != nil {
		t.Fatal(err)
	}
	return writes
}

// auditEvent has the fields of audit.k8s.io/v1 Event that matter here.
type auditEvent struct {
	Verb       string `json:"verb"`
	RequestURI string `json:"requestURI"`
	UserAgent  string `json:"userAgent"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	ResponseObject struct {
		Metadata struct {
			Name            string `json:"name"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	} `json:"responseObject"`
}

func parseWrites(log []byte) ([]Write, error) {
	var writes []Write
	// seen holds resource versions: each belongs to the one write that made it,
	// so an answer with a known one tells of a request that changed nothing.
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(log))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var event auditEvent
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if event.ResponseStatus.Code >= 300 || event.dryRun() {
			continue
		}
		version := event.ResponseObject.Metadata.ResourceVersion
		deletes := event.Verb == "delete" || event.Verb == "deletecollection"
		if !deletes && (version == "" || seen[version]) {
			continue
		}
		seen[version] = true
		name := event.ObjectRef.Name
		if name == "" {
			name = event.ResponseObject.Metadata.Name // generateName
		}
		writes = append(writes, Write{
			Verb: event.Verb, Group: event.ObjectRef.APIGroup,
			Resource: event.ObjectRef.Resource, Subresource: event.ObjectRef.Subresource,
			Namespace: event.ObjectRef.Namespace, Name: name,
			User: event.User.Username, UserAgent: event.UserAgent,
		})
	}
	return writes, lines.Err()
}

func (e auditEvent) dryRun() bool {
	address, err := url.Parse(e.RequestURI)
	return err == nil && slices.Contains(address.Query()["dryRun"], "All")
}
