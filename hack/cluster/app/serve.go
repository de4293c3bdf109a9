package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Answer is what the server says of a request.
type Answer struct {
	Pod     string      `json:"pod"`
	Version string      `json:"version,omitempty"`
	Method  string      `json:"method"`
	Host    string      `json:"host"`
	Path    string      `json:"path"`
	Peer    string      `json:"peer"`
	Headers http.Header `json:"headers"`
}

// linger is how long a server goes on after SIGTERM: its clients learn only
// then that it is to end.
const linger = 2 * time.Second

// serve answers until SIGTERM and for linger after it, then finishes the
// requests under way. The variable VERSION is shown in answers; PORT and
// GREET_PORT replace 8080, 9000.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	pod, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read the host name: %w", err)
	}
	greeter, err := net.Listen("tcp", ":"+port("GREET_PORT", "9000"))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	go greetAll(greeter, pod)
	server := &http.Server{Addr: ":" + port("PORT", "8080"), Handler: answer(pod), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		time.Sleep(linger)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		server.Shutdown(ctx) //nolint:errcheck // what is left is cut
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func port(variable, otherwise string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return otherwise
}

// answer handles every path. The query status=503 asks for a status, delay=2s
// for a wait, fail=2 for 503 to the first two tries of a request, which are
// known by the id that Envoy gives a request.
func answer(pod string) http.HandlerFunc {
	tries := newTries()
	return func(w http.ResponseWriter, r *http.Request) {
		if delay, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil {
			time.Sleep(delay)
		}
		w.Header().Set("Content-Type", "application/json")
		status, err := strconv.Atoi(r.URL.Query().Get("status"))
		if fail, bad := strconv.Atoi(r.URL.Query().Get("fail")); bad == nil && tries.next(r.Header.Get("X-Request-Id")) <= fail {
			status, err = http.StatusServiceUnavailable, nil
		}
		if err == nil {
			w.WriteHeader(status)
		}
		json.NewEncoder(w).Encode(Answer{ //nolint:errcheck // the client has gone
			Pod: pod, Version: os.Getenv("VERSION"), Method: r.Method, Host: r.Host,
			Path: r.URL.Path, Peer: r.RemoteAddr, Headers: r.Header,
		})
	}
}

// tries counts how often each request came.
type tries struct {
	sync.Mutex
	seen map[string]int
}

func newTries() *tries { return &tries{seen: map[string]int{}} }

func (t *tries) next(id string) int {
	t.Lock()
	defer t.Unlock()
	t.seen[id]++
	return t.seen[id]
}

// greetAll speaks first, as MySQL and SMTP do.
func greetAll(listener net.Listener, pod string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close() //nolint:errcheck // said all
			fmt.Fprintf(conn, "hello from %s\n", pod)
			conn.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // a closed connection ends the read
			conn.Read(make([]byte, 1))                        //nolint:errcheck // wait for the client's end
		}()
	}
}
