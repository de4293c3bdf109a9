//go:build e2e

package traffic

import (
	"fmt"
	"net/http"
	"testing"
)

func testProblems(t *testing.T, w *world) {
	url := w.service(t, "mistaken")
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: older}
spec:
  hosts: [mistaken]
  http:
  - match: [{uri: {prefix: /nowhere}}]
    route: [{destination: {host: nobody}}]
  - route: [{destination: {host: mistaken, subset: v2}}]
`)
	w.settle(t, answers("v2"), url+"/v2")
	w.waitCondition(t, "virtualservice/older", condition{"Warning", "True", "HostNotFound", "spec.http[0].route[0].destination.host"})
	w.waitCondition(t, "virtualservice/older", condition{"Accepted", "True", "Accepted", ""})
	w.settle(t, status(http.StatusServiceUnavailable), url+"/nowhere")

	// The API server counts age in seconds; names decide between equals.
	w.Apply(t, w.shop, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: younger}
spec:
  hosts: [mistaken]
  http:
  - route: [{destination: {host: mistaken, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: refused}
spec:
  hosts: [mistaken]
  http:
  - match: [{uri: {regex: "/a("}}]
    route: [{destination: {host: mistaken, subset: v1}}]
`)
	w.waitCondition(t, "virtualservice/refused", condition{"Accepted", "False", "Invalid", "spec.http[0].match[0].uri.regex"})
	w.waitCondition(t, "virtualservice/younger", condition{"Warning", "True", "HostClaimed", fmt.Sprintf("%s/older", w.shop)})
	w.settle(t, answers("v2"), url+"/still")

	// Put right, it is in use.
	w.Kubectl(t, "--namespace", w.shop, "delete", "virtualservice", "older", "refused")
	w.settle(t, answers("v1"), url+"/")
}
