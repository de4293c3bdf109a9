package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/mesh"
)

func (f *finder) gateway(gw *mesh.Gateway) {
	pods, _ := f.Get(mesh.Key{Kind: KindGatewayPods, Namespace: gw.Namespace, Name: gw.Name}).(*GatewayPods)
	if pods == nil || len(pods.Namespaces) == 0 {
		f.add(ReasonNoPods, "spec.selector", "no gateway pod has the labels %s; the Gateway is served nowhere. Correct the selector, or start a gateway with these labels.", labelList(gw.Selector))
		pods = &GatewayPods{}
	}
	for i := range gw.Servers {
		server := &gw.Servers[i]
		field := fmt.Sprintf("spec.servers[%d]", server.Index)
		f.serverConflict(gw, server, field)
		f.serverTLS(server, field, pods.Namespaces)
	}
}

// serverTLS looks for the credential in every namespace where the Gateway is
// served.
func (f *finder) serverTLS(server *mesh.Server, field string, namespaces []string) {
	if server.Protocol != mesh.ServerHTTPS || server.TLS == nil {
		return // Other protocols are named where the object is read.
	}
	name := server.TLS.Credential
	for _, namespace := range namespaces {
		c, _ := f.Get(mesh.Key{Kind: mesh.KindCredential, Namespace: namespace, Name: name}).(*mesh.Credential)
		switch {
		case Usable(c, server.TLS):
		case c == nil:
			f.add(ReasonCredentialNotFound, field+".tls.credentialName",
				"no Secret %q with a valid tls.crt and tls.key exists in namespace %q, where the gateway's pods run; this server is not opened, the others are. Create it there with: kubectl create secret tls.", name, namespace)
		default:
			f.add(ReasonCredentialNotFound, field+".tls.credentialName",
				"Secret %q in namespace %q lacks what mode %s needs; this server is not opened, the others are. Add tls.crt and tls.key, and ca.crt for MUTUAL.", name, namespace, strings.ToUpper(string(server.TLS.Mode)))
		}
	}
}

// serverConflict tells a server that an older one has its port or its host.
func (f *finder) serverConflict(gw *mesh.Gateway, server *mesh.Server, field string) {
	for _, other := range gateways(f) {
		for i := range other.Servers {
			prior := &other.Servers[i]
			if prior == server {
				return
			}
			if prior.Port != server.Port || !maps.Equal(gw.Selector, other.Selector) {
				continue
			}
			if IsTLS(prior) != IsTLS(server) {
				f.add(ReasonPortConflict, field+".port",
					"spec.servers[%d] of Gateway %s/%s is older and has port %d for %s; this server (%s) is not opened. Give it another port.",
					prior.Index, other.Namespace, other.Name, server.Port, prior.Protocol, server.Protocol)
				return
			}
			if host, ok := sameSNI(prior, server); ok {
				f.add(ReasonPortConflict, field+".hosts",
					"spec.servers[%d] of Gateway %s/%s is older and has the host %q on port %d; this server is not opened for it. Remove the host from one of them.",
					prior.Index, other.Namespace, other.Name, host, server.Port)
				return
			}
		}
	}
}

// sameSNI is a host that two TLS servers of a port both name: by TLS only one
// of them can answer.
func sameSNI(a, b *mesh.Server) (string, bool) {
	if !IsTLS(a) || !IsTLS(b) {
		return "", false
	}
	hosts := Hosts(a)
	for _, h := range Hosts(b) {
		if slices.Contains(hosts, h) {
			return h, true
		}
	}
	return "", false
}

func labelList(labels map[string]string) string {
	var words []string
	for _, k := range sortedKeys(labels) {
		words = append(words, k+"="+labels[k])
	}
	if len(words) == 0 {
		return "of an empty selector"
	}
	return strings.Join(words, ",")
}
