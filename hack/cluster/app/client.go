package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Result is what the client prints of one request, a line of JSON each.
type Result struct {
	Status  int             `json:"status,omitempty"`
	Error   string          `json:"error,omitempty"`
	Headers http.Header     `json:"headers,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// headerFlags collects repeated -H.
type headerFlags struct{ http.Header }

// Set adds one header.
func (h headerFlags) Set(value string) error {
	name, text, found := strings.Cut(value, ":")
	if !found {
		return fmt.Errorf("header %q has no colon", value)
	}
	h.Add(strings.TrimSpace(name), strings.TrimSpace(text))
	return nil
}

// String is for the flag package.
func (h headerFlags) String() string { return "" }

// get sends requests one after the other; failed ones are results too.
func get(args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	count := flags.Int("n", 1, "number of requests")
	timeout := flags.Duration("timeout", 10*time.Second, "for each request")
	method := flags.String("X", http.MethodGet, "method")
	every := flags.Duration("every", 0, "time between the starts of two requests")
	fresh := flags.Bool("fresh", false, "a connection for each request")
	headers := headerFlags{http.Header{}}
	flags.Var(headers, "H", "header, may be repeated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := &http.Client{
		Timeout:       *timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: *fresh},
	}
	begin := time.Now()
	for i := range *count {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * *every)))
		request, err := http.NewRequest(*method, flags.Arg(0), nil)
		if err != nil {
			return fmt.Errorf("read the URL: %w", err)
		}
		request.Header = headers.Clone()
		if host := headers.Get("Host"); host != "" {
			request.Host = host
		}
		if err := json.NewEncoder(os.Stdout).Encode(send(client, request)); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

func send(client *http.Client, request *http.Request) Result {
	response, err := client.Do(request)
	if err != nil {
		return Result{Error: err.Error()}
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Result{Status: response.StatusCode, Error: err.Error()}
	}
	if !json.Valid(body) {
		if body, err = json.Marshal(string(body)); err != nil {
			return Result{Status: response.StatusCode, Error: err.Error()}
		}
	}
	return Result{Status: response.StatusCode, Headers: response.Header, Body: body}
}

// greet prints what a server says first.
func greet(args []string) error {
	if len(args) != 1 {
		return errors.New("want one address")
	}
	conn, err := net.DialTimeout("tcp", args[0], 10*time.Second)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // only read
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	fmt.Print(line)
	return nil
}
