package istio

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// headerOperations reads changes of headers. The request's host is one of its
// headers here, as ":authority" or "host" (Istio's rule).
func (r reader) headerOperations(at *field.Path, m *networkingv1alpha3.Headers) mesh.Headers {
	var out mesh.Headers
	out.Request = r.headerChanges(at.Child("request"), m.GetRequest())
	out.Response = r.headerChanges(at.Child("response"), m.GetResponse())
	isHost := func(h mesh.HeaderValue) bool { return h.Name == ":authority" || h.Name == "host" }
	if i := slices.IndexFunc(out.Request.Set, isHost); i >= 0 {
		out.Authority = out.Request.Set[i].Value
		out.Request.Set = slices.DeleteFunc(out.Request.Set, isHost)
		if strings.Contains(out.Authority, "%") {
			r.refuse(at.Child("request", "set"), "the host %q has a %%; write a name", out.Authority)
		}
	}
	for _, side := range []struct {
		name    string
		changes mesh.HeaderChanges
	}{{"request", out.Request}, {"response", out.Response}} {
		for _, h := range slices.Concat(side.changes.Set, side.changes.Add) {
			r.ownHeader(at.Child(side.name), h.Name)
		}
		for _, name := range side.changes.Remove {
			r.ownHeader(at.Child(side.name), name)
		}
	}
	return out
}

// ownHeader refuses names that Envoy lets nobody change.
func (r reader) ownHeader(at *field.Path, name string) {
	if strings.HasPrefix(name, ":") || name == "host" {
		r.refuse(at, "%q cannot be changed here; request.set of :authority changes the host, rewrite the path, route by the method", name)
	}
}

func (r reader) headerChanges(at *field.Path, m *networkingv1alpha3.Headers_HeaderOperations) mesh.HeaderChanges {
	out := mesh.HeaderChanges{
		Set: r.headerValues(at.Child("set"), m.GetSet()),
		Add: r.headerValues(at.Child("add"), m.GetAdd()),
	}
	for i, name := range m.GetRemove() {
		r.headerName(at.Child("remove").Index(i), name)
		out.Remove = append(out.Remove, strings.ToLower(name))
	}
	return out
}

func (r reader) headerValues(at *field.Path, values map[string]string) []mesh.HeaderValue {
	var out []mesh.HeaderValue
	for _, name := range slices.Sorted(maps.Keys(values)) {
		here := at.Key(name)
		r.headerName(here, name)
		r.headerFormat(here, values[name])
		out = append(out, mesh.HeaderValue{Name: strings.ToLower(name), Value: values[name]})
	}
	slices.SortStableFunc(out, func(a, b mesh.HeaderValue) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b mesh.HeaderValue) bool { return a.Name == b.Name })
}

func (r reader) headerName(at *field.Path, name string) {
	if !httpguts.ValidHeaderFieldName(strings.TrimPrefix(name, ":")) {
		r.refuse(at, "%q is not a header's name", name)
	}
}

// formatOperator is an operator of Envoy's header formatter whose arguments
// cannot be wrong (Envoy: HTTP header manipulation, custom request headers).
var formatOperator = regexp.MustCompile(`^%(?:` +
	`(?:REQ|RESP|TRAILER)\([A-Za-z0-9_:-]+(?:\?[A-Za-z0-9_:-]+)?\)(?::[0-9]{1,4})?` +
	`|START_TIME(?:\(%[A-Za-z](?:[-:/T ]?%[A-Za-z])*\))?` +
	`|(?:PROTOCOL|HOSTNAME|RESPONSE_CODE|RESPONSE_FLAGS|RESPONSE_CODE_DETAILS|ROUTE_NAME|VIRTUAL_CLUSTER_NAME|UPSTREAM_CLUSTER` +
	`|UPSTREAM_HOST|UPSTREAM_REMOTE_ADDRESS|UPSTREAM_LOCAL_ADDRESS|REQUESTED_SERVER_NAME|CONNECTION_ID` +
	`|DOWNSTREAM_(?:REMOTE|LOCAL|DIRECT_REMOTE)_ADDRESS(?:_WITHOUT_PORT)?|DOWNSTREAM_LOCAL_PORT` +
	`|DOWNSTREAM_(?:PEER|LOCAL)_(?:SUBJECT|URI_SAN)|DOWNSTREAM_PEER_(?:ISSUER|CERT|FINGERPRINT_256|SERIAL)|DOWNSTREAM_TLS_(?:VERSION|CIPHER|SESSION_ID))` +
	`)%`)

// headerFormat refuses a value that Envoy could not read.
func (r reader) headerFormat(at *field.Path, value string) {
	if !httpguts.ValidHeaderFieldValue(value) {
		r.refuse(at, "%q is not a header's value; remove what is no text", value)
		return
	}
	for rest := value; ; {
		at1 := strings.IndexByte(rest, '%')
		if at1 < 0 {
			return
		}
		rest = rest[at1:]
		found := formatOperator.FindString(rest)
		switch {
		case strings.HasPrefix(rest, "%%"):
			rest = rest[2:]
		case found != "":
			rest = rest[len(found):]
		default:
			r.refuse(at, "%q: what begins with %.20q is none of the proxy's operators, as %%REQ(x-name)%% is; write %%%% for a percent sign", value, rest)
			return
		}
	}
}
