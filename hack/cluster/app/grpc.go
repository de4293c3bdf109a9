package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
)

// The methods: one of ours, and that of kubelet's gRPC probes.
const (
	echoPath   = "/app.Echo/Echo"
	healthPath = "/grpc.health.v1.Health/Check"
)

// unavailable is gRPC's code for a server that goes.
const unavailable = "14"

// maxFrame is the longest message that is read.
const maxFrame = 1 << 16

// frame is a gRPC message on the wire, not compressed.
func frame(text string) []byte {
	out := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))
	return append(out, text...)
}

// readFrame reads one message; io.EOF is the end before one.
func readFrame(r io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return "", errors.New("a message is too long")
	}
	text := make([]byte, size)
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// echoStream answers each message with the name of the pod, until the client
// has no more or the server ends: then it says so, as gRPC servers do.
func echoStream(pod string, end <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		control := http.NewResponseController(w)
		control.Flush() //nolint:errcheck // the client has gone
		messages, gone := make(chan struct{}), make(chan struct{})
		defer close(gone)
		go func() {
			defer close(messages)
			for {
				if _, err := readFrame(r.Body); err != nil {
					return
				}
				select {
				case messages <- struct{}{}:
				case <-gone:
					return
				}
			}
		}()
		status := "0"
		for status == "0" {
			select {
			case _, more := <-messages:
				if !more {
					w.Header().Set("Grpc-Status", status)
					return
				}
				w.Write(frame(pod)) //nolint:errcheck // the client has gone
				control.Flush()     //nolint:errcheck // the client has gone
			case <-end:
				status = unavailable
			}
		}
		w.Header().Set("Grpc-Status", status)
	}
}

// health is what kubelet's gRPC probe asks: SERVING, but where the variable
// HEALTH says otherwise.
func health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	serving := byte(1)
	if os.Getenv("HEALTH") == "bad" {
		serving = 2
	}
	io.Copy(io.Discard, r.Body)                     //nolint:errcheck // the question does not matter
	w.Write(frame(string([]byte{1 << 3, serving}))) //nolint:errcheck // the client has gone
	w.Header().Set("Grpc-Status", "0")
}
