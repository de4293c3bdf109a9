package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// newH2 speaks HTTP/2 without TLS.
func newH2() *http.Client {
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}

// post opens a gRPC call.
func post(ctx context.Context, client *http.Client, address, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	response, err := client.Do(request)
	if err != nil {
		return nil, cause(err)
	}
	return response, nil
}

// code is the status of an answer that was read to its end; an error without
// one has it in the headers.
func code(response *http.Response) string {
	if text := response.Trailer.Get("Grpc-Status"); text != "" {
		return text
	}
	if text := response.Header.Get("Grpc-Status"); text != "" {
		return text
	}
	return fmt.Sprintf("missing (HTTP %d)", response.StatusCode)
}

// grpcCaller makes unary calls over one connection.
type grpcCaller struct {
	address string
	client  *http.Client
}

func newGRPCCaller(address string) *grpcCaller {
	return &grpcCaller{address: address, client: newH2()}
}

func (c *grpcCaller) call(ctx context.Context) (string, error) {
	response, err := post(ctx, c.client, c.address, echoPath, bytes.NewReader(frame("hello")))
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := readFrame(response.Body)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", cause(err)
	}
	if got := code(response); got != "0" {
		return "", fmt.Errorf("grpc-status %s: %.80s", got, response.Header.Get("Grpc-Message"))
	}
	return answer, nil
}

// streamCaller keeps a stream and sends a message on it for each call.
type streamCaller struct {
	address  string
	client   *http.Client
	response *http.Response
	send     *io.PipeWriter
	stop     context.CancelFunc
}

func (c *streamCaller) call(ctx context.Context) (string, error) {
	used := c.response != nil
	if !used {
		if err := c.open(ctx); err != nil {
			return "", err
		}
	}
	give := context.AfterFunc(ctx, c.stop)
	defer give()
	go c.send.Write(frame("hello")) //nolint:errcheck // the answer tells
	answer, err := readFrame(c.response.Body)
	if err == nil {
		return answer, nil
	}
	status := ""
	if errors.Is(err, io.EOF) {
		status = code(c.response)
	}
	c.close()
	switch {
	// What gRPC clients open again: the end of a server, and what never was served.
	case used && (status == "0" || status == "14"):
		return "", errMoved
	case status != "":
		return "", fmt.Errorf("the stream ends with grpc-status %s", status)
	}
	return "", cause(err)
}

func (c *streamCaller) open(ctx context.Context) error {
	if c.client == nil {
		c.client = newH2()
	}
	// The stream outlives the call.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, stop)()
	read, write := io.Pipe()
	response, err := post(life, c.client, c.address, echoPath, read)
	if err != nil {
		stop()
		return err
	}
	c.response, c.send, c.stop = response, write, stop
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc") {
		c.close()
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

func (c *streamCaller) close() {
	c.send.Close()          //nolint:errcheck // no longer needed
	c.response.Body.Close() //nolint:errcheck // no longer needed
	c.stop()
	c.response = nil
}
