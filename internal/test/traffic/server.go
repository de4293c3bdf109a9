package traffic

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/test/netpod"
)

// What a request tells servers, in headers.
const (
	headerID      = "x-case-id"      // of a request, the same for its attempts and copies
	headerAnswers = "x-case-answers" // statuses by attempt, joined by commas
	headerSleep   = "x-case-sleep"
)

// Seen is a request as a server saw it, which is also its answer.
type Seen struct {
	By, Method, Path, Host string
	Header                 http.Header
}

// servers remember which pods saw a request. It may be used concurrently.
type servers struct {
	mu   sync.Mutex
	seen map[string][]Seen // by id
}

// hits are the requests with an id so far.
func (s *servers) hits(id string) []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Seen(nil), s.seen[id]...)
}

// note counts an attempt, from 0.
func (s *servers) note(id string, seen Seen) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[id] = append(s.seen[id], seen)
	return len(s.seen[id]) - 1
}

// run answers at a port of a pod by HTTP/1 and h2c until the test ends.
func (s *servers) run(t testing.TB, pod *netpod.Pod, name string, port int) {
	t.Helper()
	var l net.Listener
	pod.Do(t, func() (err error) {
		l, err = net.Listen("tcp", ":"+strconv.Itoa(port)) //nolint:gosec,noctx // in a namespace of its own
		return err
	})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := Seen{By: name, Method: r.Method, Path: r.URL.RequestURI(), Host: r.Host, Header: r.Header}
		attempt := s.note(r.Header.Get(headerID), seen)
		if pause, err := time.ParseDuration(r.Header.Get(headerSleep)); err == nil {
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
		status := http.StatusOK
		if answers := r.Header.Get(headerAnswers); answers != "" {
			list := strings.Split(answers, ",")
			status, _ = strconv.Atoi(list[min(attempt, len(list)-1)])
		}
		w.Header().Set("x-served-by", name)
		w.Header().Set("x-server-secret", "of the server")
		w.Header().Set("x-server-plain", "1")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(seen) //nolint:errcheck,errchkjson,gosec // the client may be gone
	})}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(l)                   //nolint:errcheck // ends with the test
	t.Cleanup(func() { server.Close() }) //nolint:errcheck,gosec // the test is over
}
