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

// serve answers until SIGTERM, then finishes the requests under way. The
// variable VERSION is shown in answers; PORT and GREET_PORT replace 8080, 9000.
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
// for a wait.
func answer(pod string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if delay, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil {
			time.Sleep(delay)
		}
		w.Header().Set("Content-Type", "application/json")
		if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
			w.WriteHeader(status)
		}
		json.NewEncoder(w).Encode(Answer{ //nolint:errcheck // the client has gone
			Pod: pod, Version: os.Getenv("VERSION"), Method: r.Method, Host: r.Host,
			Path: r.URL.Path, Peer: r.RemoteAddr, Headers: r.Header,
		})
	}
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
