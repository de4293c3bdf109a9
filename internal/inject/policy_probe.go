package inject

import (
	"fmt"
	"strings"

	"istio.io/api/annotation"
	corev1 "k8s.io/api/core/v1"
)

// probeVariables work out which probes move to the agent, as rewrites does.
// Each of "moved" has the probe's pointer (at), its path at the agent, its
// action and port, and the probe as it was.
func probeVariables() []Expression {
	var lists []string
	for _, list := range []string{"initContainers", "containers"} {
		var kinds []string
		for _, kind := range probeKinds {
			kinds = append(kinds, fmt.Sprintf("(has(c.%[2]s) ? [{'at': dyn('/spec/%[1]s/' + string(i) + '/%[2]s'), 'path': dyn('/app-health/' + c.name + '/%[3]s'), 'kind': dyn('%[2]s'), 'name': dyn(c.name), 'probe': dyn(c.%[2]s), 'ports': dyn(%[4]s)}] : [])",
				list, kind.key, kind.path, listOf("c", "ports")))
		}
		lists = append(lists, fmt.Sprintf("%s.transformList(i, c, %s).flatten()", listOf("object.spec", list), strings.Join(kinds, " + ")))
	}
	const port = "(has(p.probe.httpGet) ? dyn(p.probe.httpGet.port) : has(p.probe.tcpSocket) ? dyn(p.probe.tcpSocket.port) : dyn(p.probe.grpc.port))"
	named := fmt.Sprintf("(p.ports.filter(o, has(o.name) && o.name == %[1]s).map(o, int(o.containerPort)) + [-1])[0]", port)
	return []Expression{
		{"rewrites", fmt.Sprintf("variables.ann[?%s].orValue('') == 'false' ? [] : (%s)",
			quoteCEL(annotation.SidecarRewriteAppHTTPProbers.Name), strings.Join(lists, " +\n"))},
		{"asking", fmt.Sprintf(`variables.rewrites.filter(p, has(p.probe.httpGet) || has(p.probe.tcpSocket) || has(p.probe.grpc)).map(p, {
  'at': dyn(p.at), 'path': dyn(p.path), 'kind': dyn(p.kind), 'name': dyn(p.name), 'probe': dyn(p.probe),
  'action': dyn(has(p.probe.httpGet) ? 'httpGet' : has(p.probe.tcpSocket) ? 'tcpSocket' : 'grpc'),
  'wanted': dyn(%[1]s),
  'port': dyn(type(%[1]s) == string ? %[2]s : int(%[1]s))})`, port, named)},
		{"moved", fmt.Sprintf("variables.asking.filter(p, p.action == 'grpc' || p.port != %d)", agentPort)},
		{"probers", proberExpression()},
	}
}

// escapeExpression writes text as it stands in JSON between quotes; control
// characters are refused before.
func escapeExpression(text string) string {
	return `string(` + text + `).replace('\\', '\\\\').replace('"', '\\"')`
}

// proberExpression is the value of ISTIO_KUBE_APP_PROBERS, as proberJSON.
func proberExpression() string {
	member := func(condition, text string) string { return "(" + condition + " ? " + text + " : '')" }
	quoted := func(text string) string { return `'"' + ` + escapeExpression(text) + ` + '"'` }
	host := func(action string) string {
		return member(fmt.Sprintf("has(p.probe.%[1]s.host) && p.probe.%[1]s.host != ''", action), `',"host":' + `+quoted("p.probe."+action+".host"))
	}
	headers := member("has(p.probe.httpGet.httpHeaders) && size(p.probe.httpGet.httpHeaders) > 0",
		`',"httpHeaders":[' + p.probe.httpGet.httpHeaders.map(h, '{"name":' + `+quoted("h.name")+` + ',"value":' + `+quoted("h.value")+` + '}').join(',') + ']'`)
	or := func(field, fallback string) string {
		return fmt.Sprintf("(has(%[1]s) && %[1]s != '' ? %[1]s : '%[2]s')", field, fallback)
	}
	httpGet := `'{"path":' + ` + quoted(or("p.probe.httpGet.path", "/")) + ` + ',"port":' + string(p.port) + ` + host("httpGet") +
		` + ',"scheme":' + ` + quoted(or("p.probe.httpGet.scheme", "HTTP")) + " + " + headers + " + '}'"
	tcpSocket := `'{"port":' + string(p.port) + ` + host("tcpSocket") + " + '}'"
	grpc := `'{"port":' + string(p.port) + ',"service":' + ` + quoted("(has(p.probe.grpc.service) ? p.probe.grpc.service : '')") + " + '}'"
	return `'{' + variables.moved.map(p, '"' + string(p.path) + '":{"' + string(p.action) + '":' +
  (p.action == 'httpGet' ? ` + httpGet + ` :
   p.action == 'tcpSocket' ? ` + tcpSocket + ` :
   ` + grpc + `) +
  ',"timeoutSeconds":' + (has(p.probe.timeoutSeconds) && p.probe.timeoutSeconds > 1 ? string(p.probe.timeoutSeconds) : '1') + '}').sort().join(',') + '}'`
}

// scrapeExpression is as scrapeJSON.
func scrapeExpression() string {
	get := func(name string) string { return "variables.ann[?" + quoteCEL(name) + "].orValue('')" }
	quoted := func(name string) string { return `'"' + ` + escapeExpression(get(name)) + ` + '"'` }
	return fmt.Sprintf(`!variables.merges || %s + %s + %s == '' ? '' : '{"scrape":' + %s + ',"path":' + %s + ',"port":' + %s + '}'`,
		get(prometheusScrape), get(prometheusPath), get(prometheusPort), quoted(prometheusScrape), quoted(prometheusPath), quoted(prometheusPort))
}

// probeMutation moves the probes, as rewrite.ops does.
func probeMutation() string {
	return fmt.Sprintf(`variables.moved.map(p, p.action == 'httpGet' ? [
    JSONPatch{op: 'add', path: string(p.at) + '/httpGet/path', value: p.path},
    JSONPatch{op: 'add', path: string(p.at) + '/httpGet/port', value: %[1]d},
    JSONPatch{op: 'add', path: string(p.at) + '/httpGet/scheme', value: 'HTTP'}
  ] + (has(p.probe.httpGet.host) ? [JSONPatch{op: 'remove', path: string(p.at) + '/httpGet/host'}] : []) : [
    JSONPatch{op: 'remove', path: string(p.at) + '/' + string(p.action)},
    JSONPatch{op: 'add', path: string(p.at) + '/httpGet', value: {'path': dyn(p.path), 'port': dyn(%[1]d), 'scheme': dyn('HTTP')}}
  ]).flatten()`, agentPort)
}

// leaveMutation is as patch.leave.
func leaveMutation() string {
	add := func(path string, value any) string {
		return fmt.Sprintf("JSONPatch{op: 'add', path: '/spec/containers/' + string(i) + '%s', value: %s}", path, celValue(celObject(value)))
	}
	return fmt.Sprintf("object.spec.containers.transformList(i, c, !has(c.lifecycle) || !has(c.lifecycle.preStop), !has(c.lifecycle) ?\n  %s :\n  %s)",
		add("/lifecycle", corev1.Lifecycle{PreStop: leave()}), add("/lifecycle/preStop", leave()))
}
