package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"time"
)

// answer is what each of the demo's servers says.
type answer struct {
	App     string `json:"app"`
	Version string `json:"version"`
	Host    string `json:"host"`
	Path    string `json:"path"`
	// Peer is the SPIFFE ID of the caller, as the proxy proved it; "" without
	// mutual TLS.
	Peer string `json:"peer,omitempty"`
	Rows []row  `json:"rows,omitempty"`
	// From is what the next application said, Error why it said nothing.
	From  *answer `json:"from,omitempty"`
	Error string  `json:"error,omitempty"`
}

// serve answers on :8080 until ctx ends, then lets requests finish.
func serve(ctx context.Context, name string) error {
	host, _ := os.Hostname()
	self := answer{App: name, Version: env("VERSION", "v1"), Host: host}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a := self
		a.Path, a.Peer = r.URL.Path, peer(r)
		status := http.StatusOK
		if err := fill(r, &a); err != nil {
			a.Error, status = err.Error(), http.StatusBadGateway
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(a)
	})
	srv := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		// The endpoint leaves its clients' tables a little after the signal.
		time.Sleep(2 * time.Second)
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- srv.Shutdown(end)
	})
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

// fill asks whoever stands behind this application: front asks back, back asks
// the database, admin nobody.
func fill(r *http.Request, a *answer) error {
	switch a.App {
	case "front":
		next, err := ask(r, env("BACK", "http://back:8080"))
		a.From = next
		return err
	case "back":
		rows, err := goods(r.Context(), env("DB", "db:3306"))
		a.Rows = rows
		return err
	default:
		return nil
	}
}

func ask(r *http.Request, base string) (*answer, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, base+r.URL.Path, nil)
	if err != nil {
		return nil, err
	}
	if v := r.Header.Get("x-version"); v != "" {
		req.Header.Set("x-version", v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("%s answered %s: %.200s", base, resp.Status, body)
	}
	if resp.StatusCode != http.StatusOK {
		return &a, fmt.Errorf("%s answered %s", base, resp.Status)
	}
	return &a, nil
}

var uri = regexp.MustCompile(`URI=([^;,"]+)`)

// peer is the last URI of Envoy's x-forwarded-client-cert: the caller of this
// hop.
func peer(r *http.Request) string {
	all := uri.FindAllStringSubmatch(r.Header.Get("x-forwarded-client-cert"), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

func env(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}
