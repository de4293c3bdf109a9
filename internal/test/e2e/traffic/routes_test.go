//go:build e2e

package traffic

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/meshwright/meshwright/internal/test/e2e"
)

func testMatches(t *testing.T, w *world) {
	url := w.service(t, "matched")
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: matched}
spec:
  hosts: [matched]
  http:
  - match:
    - uri: {exact: /exact}
    - uri: {prefix: /prefix/}
    - uri: {regex: "/users/[0-9]+"}
    - headers: {x-tier: {exact: gold}}
    - uri: {prefix: /orders}
      method: {exact: POST}
    route: [{destination: {host: matched, subset: v2}}]
  - route: [{destination: {host: matched, subset: v1}}]
`)
	w.settle(t, answers("v2"), url+"/exact")
	w.settle(t, answers("v1"), url+"/")
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"more than the exact path":    {[]string{url + "/exact/more"}, "v1"},
		"below the prefix":            {[]string{url + "/prefix/below"}, "v2"},
		"not below the prefix":        {[]string{url + "/prefixed"}, "v1"},
		"all of the expression":       {[]string{url + "/users/12"}, "v2"},
		"a part of the expression":    {[]string{url + "/users/12a"}, "v1"},
		"the header":                  {[]string{"-H", "x-tier: gold", url + "/"}, "v2"},
		"another value of the header": {[]string{"-H", "x-tier: golden", url + "/"}, "v1"},
		"path and method":             {[]string{"-X", "POST", url + "/orders"}, "v2"},
		"path but not the method":     {[]string{"-X", "GET", url + "/orders"}, "v1"},
	} {
		result := w.Get(t, w.shop, client, test.args...)[0]
		if err := answers(test.want)(result); err != nil {
			t.Errorf("%s: %v: %s", name, err, result)
		}
	}
}

func testWeights(t *testing.T, w *world) {
	url := w.service(t, "weighted")
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: weighted}
spec:
  hosts: [weighted]
  http:
  - match: [{uri: {exact: /v2}}]
    route: [{destination: {host: weighted, subset: v2}}]
  - route:
    - {destination: {host: weighted, subset: v1}, weight: 75}
    - {destination: {host: weighted, subset: v2}, weight: 25}
`)
	for range 3 { // the first answer could be by chance
		w.settle(t, answers("v2"), url+"/v2")
	}
	versions := map[string]int{}
	for _, result := range w.Get(t, w.shop, client, "-n", "500", url+"/") {
		if result.Status != http.StatusOK {
			t.Errorf("result %s, want 200", result)
		}
		versions[result.Body.Version]++
	}
	// 125 is expected, and its standard deviation is below 10.
	if n := versions["v2"]; n < 75 || n > 175 || versions["v1"]+n != 500 {
		t.Errorf("500 requests went to %v, want about 125 to v2 and the rest to v1", versions)
	}
}

func testRewriteAndRedirect(t *testing.T, w *world) {
	url := w.service(t, "rewritten")
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rewritten}
spec:
  hosts: [rewritten]
  http:
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new, authority: other.example}
    route: [{destination: {host: rewritten}}]
  - match: [{uri: {prefix: /moved}}]
    redirect: {uri: /here, authority: there.example, redirectCode: 308}
  - route: [{destination: {host: rewritten}}]
`)
	w.settle(t, func(r e2e.Result) error {
		if r.Status != http.StatusOK || r.Body.Path != "/new/path" || r.Body.Host != "other.example" {
			return fmt.Errorf("want that the server sees /new/path of other.example")
		}
		return nil
	}, url+"/old/path")
	w.settle(t, func(r e2e.Result) error {
		location := http.Header(r.Headers).Get("Location")
		if r.Status != http.StatusPermanentRedirect || location != "http://there.example/here" {
			return fmt.Errorf("want 308 to http://there.example/here, not to %q", location)
		}
		return nil
	}, url+"/moved")
	result := w.Get(t, w.shop, client, url+"/else")[0]
	if result.Body.Path != "/else" || result.Body.Host != "rewritten:8080" {
		t.Errorf("result %s, want that other requests are left alone", result)
	}
}

func testTimeoutAndRetries(t *testing.T, w *world) {
	url := w.service(t, "tried")
	// One Pod, so that it sees all tries of a request.
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tried}
spec:
  hosts: [tried]
  http:
  - match: [{uri: {prefix: /slow}}]
    timeout: 300ms
    route: [{destination: {host: tried, subset: v1}}]
  - match: [{uri: {prefix: /again}}]
    retries: {attempts: 3, perTryTimeout: 5s, retryOn: 5xx}
    route: [{destination: {host: tried, subset: v1}}]
  - route: [{destination: {host: tried, subset: v1}}]
`)
	// The server would take longer than the client waits.
	w.settle(t, status(http.StatusGatewayTimeout), "-timeout", "15s", url+"/slow?delay=20s")
	w.settle(t, status(http.StatusOK), url+"/again?fail=3")
	if result := w.Get(t, w.shop, client, url+"/again?fail=4")[0]; result.Status != http.StatusServiceUnavailable {
		t.Errorf("result %s, want 503 after three retries", result)
	}
	if result := w.Get(t, w.shop, client, url+"/else?fail=1")[0]; result.Status != http.StatusServiceUnavailable {
		t.Errorf("result %s, want that an answer is not tried again without a rule", result)
	}
}

func testUnknownHost(t *testing.T, w *world) {
	pod := w.pods(t, w.outside, "app=stranger")[0]
	result := w.Get(t, w.shop, client, "-H", "Host: nobody.example", "http://"+pod.Status.PodIP+":8080/")[0]
	if result.Status != http.StatusOK || result.Body.Pod != pod.Name || result.Body.Host != "nobody.example" {
		t.Errorf("result %s, want 200 of %s for nobody.example", result, pod.Name)
	}
	greeting, err := w.Greet(t, w.shop, client, pod.Status.PodIP+":9000")
	if want := "hello from " + pod.Name + "\n"; greeting != want {
		t.Errorf("greeting %q, %v; want %q", greeting, err, want)
	}
}
