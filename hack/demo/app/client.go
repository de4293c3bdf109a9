package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var client = &http.Client{
	Timeout:   15 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 32},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// get prints status and body of one request; it fails if there was no answer.
func get(ctx context.Context, w io.Writer, url string) error {
	status, body, err := once(ctx, url)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d\n%s\n", status, body)
	return err
}

func once(ctx context.Context, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	if h := os.Getenv("HOST_HEADER"); h != "" {
		req.Host = h
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, body, err
}

// tally counts answers of a load.
type tally struct {
	Requests int            `json:"requests"`
	Errors   int            `json:"errors"`
	Status   map[string]int `json:"status"`
	// Versions and Hosts are of the innermost application that answered.
	Versions map[string]int `json:"versions"`
	Hosts    map[string]int `json:"hosts"`
	// Slowest is the longest that one request took, in seconds.
	Slowest     float64 `json:"slowest"`
	OverASecond int     `json:"overASecond"`
	// FirstError is kept to be read by a person.
	FirstError string `json:"firstError,omitempty"`
}

// load sends N requests by CONCURRENCY callers and prints the tally. A first
// argument rate=R spaces the requests of all callers together, R a second.
func load(ctx context.Context, w io.Writer, args []string) error {
	rate := 0
	if text, ok := strings.CutPrefix(args[0], "rate="); ok {
		var err error
		if rate, err = strconv.Atoi(text); err != nil || rate < 1 || len(args) != 4 {
			return fmt.Errorf("rate is requests a second, not %q", text)
		}
		args = args[1:]
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > 100000 {
		return fmt.Errorf("number of requests N is 1 to 100000, not %q", args[0])
	}
	callers, err := strconv.Atoi(args[1])
	if err != nil || callers < 1 || callers > 64 {
		return fmt.Errorf("CONCURRENCY is 1 to 64, not %q", args[1])
	}
	t := &tally{Status: map[string]int{}, Versions: map[string]int{}, Hosts: map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range callers {
		wg.Go(func() {
			for range work {
				begin := time.Now()
				status, body, err := once(ctx, args[2])
				took := time.Since(begin)
				mu.Lock()
				t.time(took)
				t.count(status, body, err)
				mu.Unlock()
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		work <- struct{}{}
		if rate > 0 {
			time.Sleep(time.Second / time.Duration(rate))
		}
	}
	close(work)
	wg.Wait()
	return json.NewEncoder(w).Encode(t)
}

func (t *tally) time(took time.Duration) {
	t.Slowest = max(t.Slowest, took.Seconds())
	if took > time.Second {
		t.OverASecond++
	}
}

func (t *tally) count(status int, body []byte, err error) {
	t.Requests++
	if err != nil || status != http.StatusOK {
		t.Errors++
		if t.FirstError == "" {
			t.FirstError = fmt.Sprintf("%d %v %.200s", status, err, body)
		}
	}
	if err != nil {
		t.Status["none"]++
		return
	}
	t.Status[strconv.Itoa(status)]++
	var a answer
	if json.Unmarshal(body, &a) != nil {
		return
	}
	inner := &a
	for inner.From != nil {
		inner = inner.From
	}
	t.Versions[inner.App+" "+inner.Version]++
	t.Hosts[inner.Host]++
}

// raw prints how long a MySQL server, which speaks first, took to say its first
// byte, and its greeting: one packet with its length in the first three bytes.
func raw(ctx context.Context, w io.Writer, address string) error {
	begin := time.Now()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // only read
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var head [4]byte
	_, err = io.ReadFull(conn, head[:])
	took := time.Since(begin).Round(time.Millisecond)
	if err != nil {
		return fmt.Errorf("after %v: %w", took, err)
	}
	greeting := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	if _, err := io.ReadFull(conn, greeting); err != nil {
		return fmt.Errorf("read greeting of %d bytes: %w", len(greeting), err)
	}
	_, err = fmt.Fprintf(w, "%v %q\n", took, greeting)
	return err
}
