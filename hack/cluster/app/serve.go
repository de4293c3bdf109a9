package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
// requests under way. With STOP=now it does not linger, with STOP=exit it is
// gone at once. The variable VERSION is shown in answers; PORT, GRPC_PORT,
// GREET_PORT and ECHO_PORT replace 8080, 8081, 9000 and 9001.
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
	echoer, err := net.Listen("tcp", ":"+port("ECHO_PORT", "9001"))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	grpc, err := net.Listen("tcp", ":"+port("GRPC_PORT", "8081"))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	lines := &echo{conns: map[net.Conn]struct{}{}}
	go greetAll(greeter, pod)
	go lines.serve(echoer, pod)
	end := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc(echoPath, echoStream(pod, end))
	mux.HandleFunc(healthPath, health)
	mux.HandleFunc("/", answer(pod))
	server := &http.Server{Addr: ":" + port("PORT", "8080"), Handler: mux, ReadHeaderTimeout: 10 * time.Second, Protocols: &http.Protocols{}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(grpc) //nolint:errcheck // ends with the other
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		switch os.Getenv("STOP") {
		case "exit":
			os.Exit(0)
		case "now":
		default:
			time.Sleep(linger)
		}
		close(end)
		echoer.Close() //nolint:errcheck // the end
		lines.close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		server.Shutdown(ctx) //nolint:errcheck // what is left is cut
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	<-ended
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
// known by the id that Envoy gives a request. via=back:8080 gives on the answer of
// another server.
func answer(pod string) http.HandlerFunc {
	tries, onward := newTries(), &http.Client{Timeout: 15 * time.Second}
	return func(w http.ResponseWriter, r *http.Request) {
		if delay, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil {
			time.Sleep(delay)
		}
		w.Header().Set("Content-Type", "application/json")
		if next := r.URL.Query().Get("via"); next != "" {
			relay(w, r, onward, next)
			return
		}
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

// relay asks another server the same.
func relay(w http.ResponseWriter, r *http.Request, client *http.Client, address string) {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+address+r.URL.Path, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close() //nolint:errcheck // only read
	w.WriteHeader(response.StatusCode)
	io.Copy(w, response.Body) //nolint:errcheck // the client has gone
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
