package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answer is what came back for one request.
type answer struct {
	status int
	header http.Header
	body   string
	seen   Seen // by whoever answered; empty if no server did
	took   time.Duration
}

// who is the pod that answered, or the status of a proxy's own answer.
func (a answer) who() string {
	if a.seen.By != "" {
		return a.seen.By
	}
	return "status " + strconv.Itoa(a.status)
}

// Run sends the requests of a case and compares.
func (w *World) Run(t *testing.T, c *Case) {
	w.checkProblems(t, c)
	for i := range c.Requests {
		r := &c.Requests[i]
		shares, copies := map[string]int{}, map[string]int{}
		times := max(1, r.Times)
		for n := range times {
			id := fmt.Sprintf("%s-%d-%d", c.id, i, n)
			got := w.send(t, r, id)
			shares[got.who()]++
			if r.Want.Shares == nil {
				r.Want.compare(t, i, got)
			}
			if want := r.Want.Attempts; want != nil {
				if hits := w.servers.hits(id); len(hits) != *want {
					t.Errorf("request %d: %d attempts reached servers, want %d", i, len(hits), *want)
				}
			}
		}
		compareShares(t, fmt.Sprintf("request %d: shares", i), r.Want.Shares, shares, times)
		if r.Want.Copies == nil {
			continue
		}
		eventually(t, func() string {
			clear(copies)
			for n := range times {
				for _, hit := range w.servers.hits(fmt.Sprintf("%s-%d-%d", c.id, i, n)) {
					if strings.HasSuffix(hit.Host, "-shadow") { // Envoy's mark of a copy
						copies[hit.By]++
					}
				}
			}
			return outside(r.Want.Copies, copies, times)
		})
	}
}

func (w *World) checkProblems(t *testing.T, c *Case) {
	t.Helper()
	known := w.known(t, c)
	for _, want := range c.Problems {
		field, part, _ := strings.Cut(want, ": ")
		at := slices.IndexFunc(known, func(p string) bool { return strings.HasPrefix(p, field+": ") && strings.Contains(p, part) })
		if at < 0 {
			t.Errorf("nothing is said of %q; what is said: %q", want, known)
			continue
		}
		known = slices.Delete(known, at, at+1)
	}
	for _, p := range known {
		t.Errorf("the objects have a problem that the case does not name: %s", p)
	}
}

// send sends one request from its pod.
func (w *World) send(t *testing.T, r *Request, id string) answer {
	t.Helper()
	method, from := r.Method, r.From
	if method == "" {
		method = http.MethodGet
	}
	if from == "" {
		from = "front"
	}
	pod := w.clients[from]
	if pod == nil {
		t.Fatalf("there is no pod %s with a proxy", from)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, r.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(headerID, id)
	for k, v := range r.Headers {
		if strings.EqualFold(k, "host") {
			request.Host = v
		}
		request.Header.Set(k, v)
	}
	if len(r.Answers) > 0 {
		request.Header.Set(headerAnswers, strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Answers), " ", ","), "[]"))
	}
	if r.Sleep != "" {
		request.Header.Set(headerSleep, r.Sleep)
	}
	at := w.addressOf(t, r, request.URL)
	transport := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, _ string) (c net.Conn, err error) {
		err = pod.Run(func() error {
			c, err = (&net.Dialer{}).DialContext(ctx, network, at)
			return err
		})
		return c, err
	}}
	defer transport.CloseIdleConnections()
	start := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{header: http.Header{}, body: err.Error(), took: time.Since(start)}
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		body = fmt.Append(body, err)
	}
	got := answer{status: response.StatusCode, header: response.Header, body: string(body), took: time.Since(start)}
	if response.Header.Get("x-served-by") != "" && method != http.MethodHead {
		json.Unmarshal(body, &got.seen) //nolint:errcheck,gosec // compared later
	}
	return got
}

func (w *World) addressOf(t *testing.T, r *Request, u *url.URL) string {
	t.Helper()
	host, port := u.Hostname(), u.Port()
	if r.At != "" {
		host, port, _ = strings.Cut(r.At, ":")
	}
	if port == "" {
		port = "80"
	}
	if ip := w.addresses[host]; ip != "" {
		host = ip
	}
	if net.ParseIP(host) == nil {
		t.Fatalf("%s is no Service's name; say where it is by \"at\"", host)
	}
	return net.JoinHostPort(host, port)
}

// compare tells what is not as wanted.
func (want *Want) compare(t *testing.T, i int, got answer) {
	t.Helper()
	status := want.Status
	if status == 0 {
		status = http.StatusOK
	}
	differs := func(what string, is, wanted any) {
		t.Helper()
		t.Errorf("request %d: %s is %q, want %q\nanswer: %d %s %v", i, what, is, wanted, got.status, got.body, got.header)
	}
	if got.status != status {
		differs("status", strconv.Itoa(got.status), strconv.Itoa(status))
	}
	for _, text := range []struct{ what, is, want string }{
		{"method", got.seen.Method, want.Method}, {"path", got.seen.Path, want.Path}, {"host", got.seen.Host, want.Host},
	} {
		if text.want != "" && text.is != text.want {
			differs(text.what, text.is, text.want)
		}
	}
	if want.By != "" && got.seen.By != want.By && !strings.HasPrefix(got.seen.By, want.By+"-") {
		differs("who answers", got.who(), want.By)
	}
	for name, value := range want.Seen {
		if is := strings.Join(got.seen.Header.Values(name), ","); is != value {
			differs("header "+name+" at the server", is, value)
		}
	}
	for name, value := range want.Headers {
		if is := strings.Join(got.header.Values(name), ","); is != value {
			differs("header "+name, is, value)
		}
	}
	if want.Body != nil && got.body != *want.Body {
		differs("body", got.body, *want.Body)
	}
	if least := duration(t, want.AtLeast); got.took < least {
		differs("time", got.took.String(), "at least "+want.AtLeast)
	}
}

func compareShares(t *testing.T, what string, want map[string]float64, got map[string]int, times int) {
	t.Helper()
	if want == nil {
		return
	}
	if said := outside(want, got, times); said != "" {
		t.Errorf("%s: %s", what, said)
	}
}

// outside says what is not within five standard deviations of a fair draw, or
// came from where nothing was to come from.
func outside(want map[string]float64, got map[string]int, times int) string {
	counts := map[string]int{}
	for who, n := range got {
		name := who
		for group := range want {
			if strings.HasPrefix(who, group+"-") {
				name = group
			}
		}
		counts[name] += n
	}
	for who, share := range want {
		n := float64(times)
		if deviation := math.Abs(float64(counts[who]) - n*share); deviation > 5*math.Sqrt(n*share*(1-share)) {
			return fmt.Sprintf("%d of %d from %s, want a share of %v; all: %v", counts[who], times, who, share, counts)
		}
	}
	for who, n := range counts {
		if _, ok := want[who]; !ok {
			return fmt.Sprintf("%d of %d from %s, want none; all: %v", n, times, who, counts)
		}
	}
	return ""
}
