package inject

import (
	"fmt"
	"strings"

	"istio.io/api/annotation"
	"istio.io/api/label"
)

// refusalVariables say why a pod cannot be injected, in the words and the order
// of Patch. CEL has no function that fails with a text of one's own: "accepted"
// looks up the refusal in a map without it, and the error names the key.
func refusalVariables() []Expression {
	refusals := append(trafficRefusals(), nameRefusals()...)
	refusals = append(refusals, fmt.Sprintf("(%s == '' ? [%s] : [])", input("rootCert"), quoteCEL(ErrNoRootCert.Error())))
	refusals = append(refusals, proxyRefusals()...)
	refusals = append(refusals, probeRefusals()...)
	return []Expression{
		{"refusals", strings.Join(refusals, " +\n")},
		{"accepted", "variables.refusals.size() == 0 || {'': true}[string(variables.refusals[0])]"},
	}
}

// refusal is a list of one message where the condition holds. In the text, %s
// is the annotation's value in quotes.
func refusal(name, condition, text string) string {
	before, after, _ := strings.Cut(text, "%s")
	key := quoteCEL(name)
	value := fmt.Sprintf("variables.ann[%s]", key)
	return fmt.Sprintf("(%s in variables.ann && %s ? [%s + strings.quote(%s) + %s] : [])",
		key, strings.ReplaceAll(condition, "$value", "string("+value+")"), quoteCEL("annotation "+name+": "+before), value, quoteCEL(after))
}

// trafficRefusals are those of capture.FromAnnotations.
func trafficRefusals() []string {
	out := []string{
		refusal(annotation.SidecarTrafficKubevirtInterfaces.Name, "true", "%s: virtual interfaces are not served; remove the annotation"),
		refusal(annotation.IoIstioRerouteVirtualInterfaces.Name, "true", "%s: virtual interfaces are not served; remove the annotation"),
		refusal(annotation.SidecarInterceptionMode.Name, "$value != 'REDIRECT'", `%s is not served; set it to "REDIRECT" or remove it`),
	}
	const (
		isRange     = "isCIDR(i)"
		isPort      = "i.matches('^0*[1-9][0-9]{0,4}$') && int(i) <= 65535"
		isInterface = `i.matches('^[^/" \t\n]{1,15}$')`
		range_      = "is not an address range; write it as in 10.0.0.0/8 or 10.1.2.3/32, several with commas"
		port        = "is not a port; give numbers from 1 to 65535, several with commas"
		face        = "is not the name of an interface; give names such as eth1, several with commas"
		noRange     = "is not a range; give the ranges, such as 10.0.0.0/8"
		noPort      = "is not a port; give the ports, such as 3306,6379"
	)
	return append(out,
		items(annotation.SidecarTrafficIncludeOutboundIPRanges.Name, isRange, range_, ""),
		items(annotation.SidecarTrafficExcludeOutboundIPRanges.Name, isRange, range_, noRange),
		items(annotation.SidecarTrafficIncludeOutboundPorts.Name, isPort, port, noPort),
		items(annotation.SidecarTrafficExcludeOutboundPorts.Name, isPort, port, noPort),
		items(annotation.SidecarTrafficIncludeInboundPorts.Name, isPort, port, ""),
		items(annotation.SidecarTrafficExcludeInboundPorts.Name, isPort, port, noPort),
		items(annotation.SidecarTrafficExcludeInterfaces.Name, isInterface, face, ""),
	)
}

// items refuses each item of a list for which right does not hold. noAll is
// said of "*" where it is wrong.
func items(name, right, fix, noAll string) string {
	key := quoteCEL(name)
	value := fmt.Sprintf("string(variables.ann[%s])", key)
	message := func(item, fix string) string {
		return fmt.Sprintf("%s + strings.quote(%s) + ' in ' + strings.quote(%s) + %s", quoteCEL("annotation "+name+": "), item, value, quoteCEL(" "+fix))
	}
	all := "[]"
	if noAll != "" {
		all = "[" + message("'*'", noAll) + "]"
	}
	return fmt.Sprintf("(!(%[1]s in variables.ann) || %[2]s.trim() == '' ? [] : %[2]s.trim() == '*' ? %[3]s : %[2]s.trim().split(',').map(i, i.trim()).filter(i, !(%[4]s)).map(i, %[5]s))",
		key, value, all, right, message("i", fix))
}

// nameRefusals are of names that injection needs.
func nameRefusals() []string {
	optOut := fmt.Sprintf(" has a name that injection needs; rename it, or set the label %s to \"false\"", label.SidecarInject.Name)
	taken := func(list, kind string, names ...any) string {
		return fmt.Sprintf("%s.filter(c, c.name in %s).map(c, %s + c.name + %s)", list, celValue(names), quoteCEL(kind+" "), quoteCEL(optOut))
	}
	var own []any
	for _, v := range volumes {
		own = append(own, v.Name)
	}
	return []string{
		taken(listOf("object.spec", "initContainers"), "container", redirectContainer, proxyContainer),
		taken(listOf("object.spec", "containers"), "container", redirectContainer, proxyContainer),
		taken(listOf("object.spec", "volumes"), "volume", own...),
	}
}

// proxyRefusals are of the annotations about the proxy.
func proxyRefusals() []string {
	var out []string
	for _, name := range []string{
		annotation.SidecarProxyCPU.Name, annotation.SidecarProxyMemory.Name, annotation.SidecarProxyCPULimit.Name, annotation.SidecarProxyMemoryLimit.Name,
	} {
		out = append(out, refusal(name, "!(isQuantity($value) && sign(quantity($value)) >= 0)", "%s is not a quantity; give one such as 100m or 128Mi"))
	}
	var levels []any
	for _, level := range logLevels {
		levels = append(levels, level)
	}
	out = append(out,
		refusal(annotation.SidecarLogLevel.Name, "!($value in "+celValue(levels)+")", fmt.Sprintf("%%s is not a level; give one of %v", logLevels)),
		refusal(annotation.SidecarRewriteAppHTTPProbers.Name, "!($value in ['', 'true', 'false'])", `%s is neither "true" nor "false"`),
	)
	return out
}

// probeRefusals are of ports that have no name, and of what cannot be handed
// on.
func probeRefusals() []string {
	control := quoteCEL(unwritable.String())
	const texts = `((has(p.probe.httpGet) ? [p.probe.httpGet.?path.orValue(''), p.probe.httpGet.?host.orValue('')] + (has(p.probe.httpGet.httpHeaders) ? p.probe.httpGet.httpHeaders.map(h, h.name + h.value) : []) : []) + (has(p.probe.tcpSocket) ? [p.probe.tcpSocket.?host.orValue('')] : []) + (has(p.probe.grpc) ? [p.probe.grpc.?service.orValue('')] : []))`
	out := []string{
		`variables.asking.map(p, (p.port == -1 ? [string(p.kind) + ' of container ' + string(p.name) + ': port ' + strings.quote(string(p.wanted)) + ' is not the name of a port of the container; name one of its ports or give a number'] : []) + (` +
			texts + `.exists(t, t.matches(` + control + `)) ? [string(p.kind) + ' of container ' + string(p.name) + ` + quoteCEL(": "+errUnwritable.Error()) + `] : [])).flatten()`,
	}
	for _, name := range []string{prometheusScrape, prometheusPath, prometheusPort} {
		out = append(out, fmt.Sprintf("(variables.merges && variables.ann[?%[1]s].orValue('').matches(%[2]s) ? [%[3]s] : [])", quoteCEL(name), control, quoteCEL("annotation "+name+": "+errUnwritable.Error())))
	}
	return out
}
