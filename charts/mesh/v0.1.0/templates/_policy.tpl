{{/* Written by make golden from internal/inject, so that all doors give equal pods. */}}

{{- define "mesh.policy.conditions" -}}
- name: not-host-network
  expression: |-
    !has(object.spec.hostNetwork) || !object.spec.hostNetwork
- name: not-windows
  expression: |-
    !has(object.spec.os) || object.spec.os.name != "windows"
- name: not-opted-out
  expression: |-
    has(object.metadata.labels) && "sidecar.istio.io/inject" in object.metadata.labels ? object.metadata.labels["sidecar.istio.io/inject"] != 'false' : !(has(object.metadata.annotations) && "sidecar.istio.io/inject" in object.metadata.annotations && object.metadata.annotations["sidecar.istio.io/inject"] == 'false')
- name: not-injected
  expression: |-
    !(has(object.metadata.annotations) && "sidecar.istio.io/status" in object.metadata.annotations && has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == "istio-proxy"))
{{- end -}}

{{- define "mesh.policy.variables" -}}
- name: ann
  expression: |-
    has(object.metadata.annotations) ? object.metadata.annotations : {}
- name: labels
  expression: |-
    has(object.metadata.labels) ? object.metadata.labels : {}
- name: asked
  expression: |-
    [has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}].all(ns,
      'istio-injection' in ns ? ns['istio-injection'] == 'enabled' && 'default' in variables.answers :
      "istio.io/rev" in ns ? string(ns["istio.io/rev"]) in variables.answers :
      "istio.io/rev" in variables.labels ? string(variables.labels["istio.io/rev"]) in variables.answers :
      variables.labels[?"sidecar.istio.io/inject"].orValue('') == 'true' && 'default' in variables.answers)
- name: owners
  expression: |-
    (has(object.metadata.ownerReferences) ? object.metadata.ownerReferences.filter(o, has(o.controller) && o.controller) : [])
- name: workload
  expression: |-
    variables.owners.size() == 0 ?
      (has(object.metadata.name) && object.metadata.name != '' ? object.metadata.name : has(object.metadata.generateName) ? (object.metadata.generateName.endsWith('-') ? object.metadata.generateName.substring(0, size(object.metadata.generateName) - size('-')) : object.metadata.generateName) : '') :
      variables.owners[0].kind == 'ReplicaSet' && variables.labels[?'pod-template-hash'].orValue('') != '' ? (variables.owners[0].name.endsWith(('-' + string(variables.labels['pod-template-hash']))) ? variables.owners[0].name.substring(0, size(variables.owners[0].name) - size(('-' + string(variables.labels['pod-template-hash'])))) : variables.owners[0].name) :
      variables.owners[0].kind == 'Job' && variables.owners[0].name.matches('^.+-[0-9]{8,10}$') ? variables.owners[0].name.substring(0, variables.owners[0].name.lastIndexOf('-')) :
      variables.owners[0].name
- name: named
  expression: |-
    variables.labels[?"app.kubernetes.io/name"].orValue('') != '' ? string(variables.labels["app.kubernetes.io/name"]) : variables.labels[?"app"].orValue('') != '' ? string(variables.labels["app"]) : string(variables.workload)
- name: canonicalName
  expression: |-
    size(variables.named) > 63 ? variables.named.substring(0, 63).find('^.*[^-_.]') : variables.named
- name: canonicalRevision
  expression: |-
    variables.labels[?"app.kubernetes.io/version"].orValue('') != '' ? string(variables.labels["app.kubernetes.io/version"]) : variables.labels[?"version"].orValue('') != '' ? string(variables.labels["version"]) : 'latest'
- name: merges
  expression: |-
    variables.ann[?"prometheus.istio.io/merge-metrics"].orValue('') != 'false'
- name: scrape
  expression: |-
    !variables.merges || variables.ann[?"prometheus.io/scrape"].orValue('') + variables.ann[?"prometheus.io/path"].orValue('') + variables.ann[?"prometheus.io/port"].orValue('') == '' ? '' : '{"scrape":' + '"' + string(variables.ann[?"prometheus.io/scrape"].orValue('')).replace('\\', '\\\\').replace('"', '\\"') + '"' + ',"path":' + '"' + string(variables.ann[?"prometheus.io/path"].orValue('')).replace('\\', '\\\\').replace('"', '\\"') + '"' + ',"port":' + '"' + string(variables.ann[?"prometheus.io/port"].orValue('')).replace('\\', '\\\\').replace('"', '\\"') + '"' + '}'
- name: sized
  expression: |-
    ("sidecar.istio.io/proxyCPU" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyCPU"])) : optional.none()).hasValue() || ("sidecar.istio.io/proxyMemory" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyMemory"])) : optional.none()).hasValue() || ("sidecar.istio.io/proxyCPULimit" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyCPULimit"])) : optional.none()).hasValue() || ("sidecar.istio.io/proxyMemoryLimit" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyMemoryLimit"])) : optional.none()).hasValue()
- name: resources
  expression: |-
    variables.sized ?
      {'requests': {?'cpu': ("sidecar.istio.io/proxyCPU" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyCPU"])) : optional.none()).or(("sidecar.istio.io/proxyCPULimit" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyCPULimit"])) : optional.none())), ?'memory': ("sidecar.istio.io/proxyMemory" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyMemory"])) : optional.none()).or(("sidecar.istio.io/proxyMemoryLimit" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyMemoryLimit"])) : optional.none()))}, 'limits': {?'cpu': ("sidecar.istio.io/proxyCPULimit" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyCPULimit"])) : optional.none()), ?'memory': ("sidecar.istio.io/proxyMemoryLimit" in variables.ann ? optional.of(string(variables.ann["sidecar.istio.io/proxyMemoryLimit"])) : optional.none())}} :
      {'requests': variables.requests, 'limits': variables.limits}
- name: rewrites
  expression: |-
    variables.ann[?"sidecar.istio.io/rewriteAppHTTPProbers"].orValue('') == 'false' ? [] : ((has(object.spec.initContainers) ? object.spec.initContainers : []).transformList(i, c, (has(c.readinessProbe) ? [{'at': dyn('/spec/initContainers/' + string(i) + '/readinessProbe'), 'path': dyn('/app-health/' + c.name + '/readyz'), 'kind': dyn('readinessProbe'), 'name': dyn(c.name), 'probe': dyn(c.readinessProbe), 'ports': dyn((has(c.ports) ? c.ports : []))}] : []) + (has(c.livenessProbe) ? [{'at': dyn('/spec/initContainers/' + string(i) + '/livenessProbe'), 'path': dyn('/app-health/' + c.name + '/livez'), 'kind': dyn('livenessProbe'), 'name': dyn(c.name), 'probe': dyn(c.livenessProbe), 'ports': dyn((has(c.ports) ? c.ports : []))}] : []) + (has(c.startupProbe) ? [{'at': dyn('/spec/initContainers/' + string(i) + '/startupProbe'), 'path': dyn('/app-health/' + c.name + '/startupz'), 'kind': dyn('startupProbe'), 'name': dyn(c.name), 'probe': dyn(c.startupProbe), 'ports': dyn((has(c.ports) ? c.ports : []))}] : [])).flatten() +
    (has(object.spec.containers) ? object.spec.containers : []).transformList(i, c, (has(c.readinessProbe) ? [{'at': dyn('/spec/containers/' + string(i) + '/readinessProbe'), 'path': dyn('/app-health/' + c.name + '/readyz'), 'kind': dyn('readinessProbe'), 'name': dyn(c.name), 'probe': dyn(c.readinessProbe), 'ports': dyn((has(c.ports) ? c.ports : []))}] : []) + (has(c.livenessProbe) ? [{'at': dyn('/spec/containers/' + string(i) + '/livenessProbe'), 'path': dyn('/app-health/' + c.name + '/livez'), 'kind': dyn('livenessProbe'), 'name': dyn(c.name), 'probe': dyn(c.livenessProbe), 'ports': dyn((has(c.ports) ? c.ports : []))}] : []) + (has(c.startupProbe) ? [{'at': dyn('/spec/containers/' + string(i) + '/startupProbe'), 'path': dyn('/app-health/' + c.name + '/startupz'), 'kind': dyn('startupProbe'), 'name': dyn(c.name), 'probe': dyn(c.startupProbe), 'ports': dyn((has(c.ports) ? c.ports : []))}] : [])).flatten())
- name: asking
  expression: |-
    variables.rewrites.filter(p, has(p.probe.httpGet) || has(p.probe.tcpSocket) || has(p.probe.grpc)).map(p, {
      'at': dyn(p.at), 'path': dyn(p.path), 'kind': dyn(p.kind), 'name': dyn(p.name), 'probe': dyn(p.probe),
      'action': dyn(has(p.probe.httpGet) ? 'httpGet' : has(p.probe.tcpSocket) ? 'tcpSocket' : 'grpc'),
      'wanted': dyn((has(p.probe.httpGet) ? dyn(p.probe.httpGet.port) : has(p.probe.tcpSocket) ? dyn(p.probe.tcpSocket.port) : dyn(p.probe.grpc.port))),
      'port': dyn(type((has(p.probe.httpGet) ? dyn(p.probe.httpGet.port) : has(p.probe.tcpSocket) ? dyn(p.probe.tcpSocket.port) : dyn(p.probe.grpc.port))) == string ? (p.ports.filter(o, has(o.name) && o.name == (has(p.probe.httpGet) ? dyn(p.probe.httpGet.port) : has(p.probe.tcpSocket) ? dyn(p.probe.tcpSocket.port) : dyn(p.probe.grpc.port))).map(o, int(o.containerPort)) + [-1])[0] : int((has(p.probe.httpGet) ? dyn(p.probe.httpGet.port) : has(p.probe.tcpSocket) ? dyn(p.probe.tcpSocket.port) : dyn(p.probe.grpc.port))))})
- name: moved
  expression: |-
    variables.asking.filter(p, p.action == 'grpc' || p.port != 15020)
- name: probers
  expression: |-
    '{' + variables.moved.map(p, '"' + string(p.path) + '":{"' + string(p.action) + '":' +
      (p.action == 'httpGet' ? '{"path":' + '"' + string((has(p.probe.httpGet.path) && p.probe.httpGet.path != '' ? p.probe.httpGet.path : '/')).replace('\\', '\\\\').replace('"', '\\"') + '"' + ',"port":' + string(p.port) + (has(p.probe.httpGet.host) && p.probe.httpGet.host != '' ? ',"host":' + '"' + string(p.probe.httpGet.host).replace('\\', '\\\\').replace('"', '\\"') + '"' : '') + ',"scheme":' + '"' + string((has(p.probe.httpGet.scheme) && p.probe.httpGet.scheme != '' ? p.probe.httpGet.scheme : 'HTTP')).replace('\\', '\\\\').replace('"', '\\"') + '"' + (has(p.probe.httpGet.httpHeaders) && size(p.probe.httpGet.httpHeaders) > 0 ? ',"httpHeaders":[' + p.probe.httpGet.httpHeaders.map(h, '{"name":' + '"' + string(h.name).replace('\\', '\\\\').replace('"', '\\"') + '"' + ',"value":' + '"' + string(h.value).replace('\\', '\\\\').replace('"', '\\"') + '"' + '}').join(',') + ']' : '') + '}' :
       p.action == 'tcpSocket' ? '{"port":' + string(p.port) + (has(p.probe.tcpSocket.host) && p.probe.tcpSocket.host != '' ? ',"host":' + '"' + string(p.probe.tcpSocket.host).replace('\\', '\\\\').replace('"', '\\"') + '"' : '') + '}' :
       '{"port":' + string(p.port) + ',"service":' + '"' + string((has(p.probe.grpc.service) ? p.probe.grpc.service : '')).replace('\\', '\\\\').replace('"', '\\"') + '"' + '}') +
      ',"timeoutSeconds":' + (has(p.probe.timeoutSeconds) && p.probe.timeoutSeconds > 1 ? string(p.probe.timeoutSeconds) : '1') + '}').sort().join(',') + '}'
- name: refusals
  expression: |-
    ("traffic.sidecar.istio.io/kubevirtInterfaces" in variables.ann && true ? ["annotation traffic.sidecar.istio.io/kubevirtInterfaces: " + strings.quote(variables.ann["traffic.sidecar.istio.io/kubevirtInterfaces"]) + ": virtual interfaces are not served; remove the annotation"] : []) +
    ("istio.io/reroute-virtual-interfaces" in variables.ann && true ? ["annotation istio.io/reroute-virtual-interfaces: " + strings.quote(variables.ann["istio.io/reroute-virtual-interfaces"]) + ": virtual interfaces are not served; remove the annotation"] : []) +
    ("sidecar.istio.io/interceptionMode" in variables.ann && string(variables.ann["sidecar.istio.io/interceptionMode"]) != 'REDIRECT' ? ["annotation sidecar.istio.io/interceptionMode: " + strings.quote(variables.ann["sidecar.istio.io/interceptionMode"]) + " is not served; set it to \"REDIRECT\" or remove it"] : []) +
    (!("traffic.sidecar.istio.io/includeOutboundIPRanges" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/includeOutboundIPRanges"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/includeOutboundIPRanges"]).trim() == '*' ? [] : string(variables.ann["traffic.sidecar.istio.io/includeOutboundIPRanges"]).trim().split(',').map(i, i.trim()).filter(i, !(isCIDR(i))).map(i, "annotation traffic.sidecar.istio.io/includeOutboundIPRanges: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/includeOutboundIPRanges"])) + " is not an address range; write it as in 10.0.0.0/8 or 10.1.2.3/32, several with commas")) +
    (!("traffic.sidecar.istio.io/excludeOutboundIPRanges" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/excludeOutboundIPRanges"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/excludeOutboundIPRanges"]).trim() == '*' ? ["annotation traffic.sidecar.istio.io/excludeOutboundIPRanges: " + strings.quote('*') + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeOutboundIPRanges"])) + " is not a range; give the ranges, such as 10.0.0.0/8"] : string(variables.ann["traffic.sidecar.istio.io/excludeOutboundIPRanges"]).trim().split(',').map(i, i.trim()).filter(i, !(isCIDR(i))).map(i, "annotation traffic.sidecar.istio.io/excludeOutboundIPRanges: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeOutboundIPRanges"])) + " is not an address range; write it as in 10.0.0.0/8 or 10.1.2.3/32, several with commas")) +
    (!("traffic.sidecar.istio.io/includeOutboundPorts" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/includeOutboundPorts"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/includeOutboundPorts"]).trim() == '*' ? ["annotation traffic.sidecar.istio.io/includeOutboundPorts: " + strings.quote('*') + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/includeOutboundPorts"])) + " is not a port; give the ports, such as 3306,6379"] : string(variables.ann["traffic.sidecar.istio.io/includeOutboundPorts"]).trim().split(',').map(i, i.trim()).filter(i, !(i.matches('^0*[1-9][0-9]{0,4}$') && int(i) <= 65535)).map(i, "annotation traffic.sidecar.istio.io/includeOutboundPorts: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/includeOutboundPorts"])) + " is not a port; give numbers from 1 to 65535, several with commas")) +
    (!("traffic.sidecar.istio.io/excludeOutboundPorts" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/excludeOutboundPorts"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/excludeOutboundPorts"]).trim() == '*' ? ["annotation traffic.sidecar.istio.io/excludeOutboundPorts: " + strings.quote('*') + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeOutboundPorts"])) + " is not a port; give the ports, such as 3306,6379"] : string(variables.ann["traffic.sidecar.istio.io/excludeOutboundPorts"]).trim().split(',').map(i, i.trim()).filter(i, !(i.matches('^0*[1-9][0-9]{0,4}$') && int(i) <= 65535)).map(i, "annotation traffic.sidecar.istio.io/excludeOutboundPorts: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeOutboundPorts"])) + " is not a port; give numbers from 1 to 65535, several with commas")) +
    (!("traffic.sidecar.istio.io/includeInboundPorts" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/includeInboundPorts"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/includeInboundPorts"]).trim() == '*' ? [] : string(variables.ann["traffic.sidecar.istio.io/includeInboundPorts"]).trim().split(',').map(i, i.trim()).filter(i, !(i.matches('^0*[1-9][0-9]{0,4}$') && int(i) <= 65535)).map(i, "annotation traffic.sidecar.istio.io/includeInboundPorts: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/includeInboundPorts"])) + " is not a port; give numbers from 1 to 65535, several with commas")) +
    (!("traffic.sidecar.istio.io/excludeInboundPorts" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/excludeInboundPorts"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/excludeInboundPorts"]).trim() == '*' ? ["annotation traffic.sidecar.istio.io/excludeInboundPorts: " + strings.quote('*') + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeInboundPorts"])) + " is not a port; give the ports, such as 3306,6379"] : string(variables.ann["traffic.sidecar.istio.io/excludeInboundPorts"]).trim().split(',').map(i, i.trim()).filter(i, !(i.matches('^0*[1-9][0-9]{0,4}$') && int(i) <= 65535)).map(i, "annotation traffic.sidecar.istio.io/excludeInboundPorts: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeInboundPorts"])) + " is not a port; give numbers from 1 to 65535, several with commas")) +
    (!("traffic.sidecar.istio.io/excludeInterfaces" in variables.ann) || string(variables.ann["traffic.sidecar.istio.io/excludeInterfaces"]).trim() == '' ? [] : string(variables.ann["traffic.sidecar.istio.io/excludeInterfaces"]).trim() == '*' ? [] : string(variables.ann["traffic.sidecar.istio.io/excludeInterfaces"]).trim().split(',').map(i, i.trim()).filter(i, !(i.matches('^[^/" \t\n]{1,15}$'))).map(i, "annotation traffic.sidecar.istio.io/excludeInterfaces: " + strings.quote(i) + ' in ' + strings.quote(string(variables.ann["traffic.sidecar.istio.io/excludeInterfaces"])) + " is not the name of an interface; give names such as eth1, several with commas")) +
    (has(object.spec.initContainers) ? object.spec.initContainers : []).filter(c, c.name in ["istio-init", "istio-proxy"]).map(c, "container " + c.name + " has a name that injection needs; rename it, or set the label sidecar.istio.io/inject to \"false\"") +
    (has(object.spec.containers) ? object.spec.containers : []).filter(c, c.name in ["istio-init", "istio-proxy"]).map(c, "container " + c.name + " has a name that injection needs; rename it, or set the label sidecar.istio.io/inject to \"false\"") +
    (has(object.spec.volumes) ? object.spec.volumes : []).filter(c, c.name in ["istio-envoy", "istio-podinfo", "istio-token"]).map(c, "volume " + c.name + " has a name that injection needs; rename it, or set the label sidecar.istio.io/inject to \"false\"") +
    (variables.rootCert == '' ? ["the mesh's root certificate is missing; wait until discovery has written it, or start discovery"] : []) +
    ("sidecar.istio.io/proxyCPU" in variables.ann && !(isQuantity(string(variables.ann["sidecar.istio.io/proxyCPU"])) && sign(quantity(string(variables.ann["sidecar.istio.io/proxyCPU"]))) >= 0) ? ["annotation sidecar.istio.io/proxyCPU: " + strings.quote(variables.ann["sidecar.istio.io/proxyCPU"]) + " is not a quantity; give one such as 100m or 128Mi"] : []) +
    ("sidecar.istio.io/proxyMemory" in variables.ann && !(isQuantity(string(variables.ann["sidecar.istio.io/proxyMemory"])) && sign(quantity(string(variables.ann["sidecar.istio.io/proxyMemory"]))) >= 0) ? ["annotation sidecar.istio.io/proxyMemory: " + strings.quote(variables.ann["sidecar.istio.io/proxyMemory"]) + " is not a quantity; give one such as 100m or 128Mi"] : []) +
    ("sidecar.istio.io/proxyCPULimit" in variables.ann && !(isQuantity(string(variables.ann["sidecar.istio.io/proxyCPULimit"])) && sign(quantity(string(variables.ann["sidecar.istio.io/proxyCPULimit"]))) >= 0) ? ["annotation sidecar.istio.io/proxyCPULimit: " + strings.quote(variables.ann["sidecar.istio.io/proxyCPULimit"]) + " is not a quantity; give one such as 100m or 128Mi"] : []) +
    ("sidecar.istio.io/proxyMemoryLimit" in variables.ann && !(isQuantity(string(variables.ann["sidecar.istio.io/proxyMemoryLimit"])) && sign(quantity(string(variables.ann["sidecar.istio.io/proxyMemoryLimit"]))) >= 0) ? ["annotation sidecar.istio.io/proxyMemoryLimit: " + strings.quote(variables.ann["sidecar.istio.io/proxyMemoryLimit"]) + " is not a quantity; give one such as 100m or 128Mi"] : []) +
    ("sidecar.istio.io/logLevel" in variables.ann && !(string(variables.ann["sidecar.istio.io/logLevel"]) in ["trace", "debug", "info", "warning", "error", "critical", "off"]) ? ["annotation sidecar.istio.io/logLevel: " + strings.quote(variables.ann["sidecar.istio.io/logLevel"]) + " is not a level; give one of [trace debug info warning error critical off]"] : []) +
    ("sidecar.istio.io/rewriteAppHTTPProbers" in variables.ann && !(string(variables.ann["sidecar.istio.io/rewriteAppHTTPProbers"]) in ['', 'true', 'false']) ? ["annotation sidecar.istio.io/rewriteAppHTTPProbers: " + strings.quote(variables.ann["sidecar.istio.io/rewriteAppHTTPProbers"]) + " is neither \"true\" nor \"false\""] : []) +
    variables.asking.map(p, (p.port == -1 ? [string(p.kind) + ' of container ' + string(p.name) + ': port ' + strings.quote(string(p.wanted)) + ' is not the name of a port of the container; name one of its ports or give a number'] : []) + (((has(p.probe.httpGet) ? [p.probe.httpGet.?path.orValue(''), p.probe.httpGet.?host.orValue('')] + (has(p.probe.httpGet.httpHeaders) ? p.probe.httpGet.httpHeaders.map(h, h.name + h.value) : []) : []) + (has(p.probe.tcpSocket) ? [p.probe.tcpSocket.?host.orValue('')] : []) + (has(p.probe.grpc) ? [p.probe.grpc.?service.orValue('')] : [])).exists(t, t.matches("[\\x00-\\x1f\\x{2028}\\x{2029}]")) ? [string(p.kind) + ' of container ' + string(p.name) + ": it holds a control character or a line break; remove it"] : [])).flatten() +
    (variables.merges && variables.ann[?"prometheus.io/scrape"].orValue('').matches("[\\x00-\\x1f\\x{2028}\\x{2029}]") ? ["annotation prometheus.io/scrape: it holds a control character or a line break; remove it"] : []) +
    (variables.merges && variables.ann[?"prometheus.io/path"].orValue('').matches("[\\x00-\\x1f\\x{2028}\\x{2029}]") ? ["annotation prometheus.io/path: it holds a control character or a line break; remove it"] : []) +
    (variables.merges && variables.ann[?"prometheus.io/port"].orValue('').matches("[\\x00-\\x1f\\x{2028}\\x{2029}]") ? ["annotation prometheus.io/port: it holds a control character or a line break; remove it"] : [])
- name: accepted
  expression: |-
    variables.refusals.size() == 0 || {'': true}[string(variables.refusals[0])]
{{- end -}}

{{- define "mesh.policy.mutations" -}}
- patchType: JSONPatch
  jsonPatch:
    expression: |-
      !variables.asked || variables.accepted ? [] : [JSONPatch{}]
- patchType: JSONPatch
  jsonPatch:
    expression: |-
      !variables.asked || size(variables.refusals) > 0 ? [] :
      (!has(object.metadata.labels) ? [JSONPatch{op: 'add', path: '/metadata/labels', value: {}}] : []) +
      [JSONPatch{op: 'add', path: "/metadata/labels/istio.io~1rev", value: variables.revision}] +
      (!("security.istio.io/tlsMode" in variables.labels) ? [JSONPatch{op: 'add', path: "/metadata/labels/security.istio.io~1tlsMode", value: 'istio'}] : []) +
      (!("service.istio.io/canonical-name" in variables.labels) ? [JSONPatch{op: 'add', path: "/metadata/labels/service.istio.io~1canonical-name", value: variables.canonicalName}] : []) +
      (!("service.istio.io/canonical-revision" in variables.labels) ? [JSONPatch{op: 'add', path: "/metadata/labels/service.istio.io~1canonical-revision", value: variables.canonicalRevision}] : []) +
      (!has(object.metadata.annotations) ? [JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}] : []) +
      [JSONPatch{op: 'add', path: "/metadata/annotations/sidecar.istio.io~1status", value: "{\"initContainers\":[\"istio-init\",\"istio-proxy\"],\"containers\":null,\"volumes\":[\"istio-envoy\",\"istio-podinfo\",\"istio-token\"],\"imagePullSecrets\":null,\"revision\":\"" + variables.revision + "\"}"}] +
      (variables.merges ? [JSONPatch{op: 'add', path: "/metadata/annotations/prometheus.io~1path", value: "/stats/prometheus"}, JSONPatch{op: 'add', path: "/metadata/annotations/prometheus.io~1port", value: "15020"}, JSONPatch{op: 'add', path: "/metadata/annotations/prometheus.io~1scrape", value: "true"}] : []) +
      (!has(object.spec.volumes) ? [JSONPatch{op: 'add', path: '/spec/volumes', value: []}] : []) +
      [JSONPatch{op: 'add', path: "/spec/volumes/-", value: {"emptyDir": dyn({"medium": dyn("Memory")}), "name": dyn("istio-envoy")}}] +
      [JSONPatch{op: 'add', path: "/spec/volumes/-", value: {"downwardAPI": dyn({"defaultMode": dyn(420), "items": dyn([{"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("metadata.labels")}), "path": dyn("labels")}, {"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("metadata.annotations")}), "path": dyn("annotations")}])}), "name": dyn("istio-podinfo")}}] +
      [JSONPatch{op: 'add', path: "/spec/volumes/-", value: {"name": dyn("istio-token"), "projected": dyn({"defaultMode": dyn(420), "sources": dyn([{"serviceAccountToken": dyn({"audience": dyn("istio-ca"), "expirationSeconds": dyn(43200), "path": dyn("istio-token")})}])})}}] +
      variables.moved.map(p, p.action == 'httpGet' ? [
          JSONPatch{op: 'add', path: string(p.at) + '/httpGet/path', value: p.path},
          JSONPatch{op: 'add', path: string(p.at) + '/httpGet/port', value: 15020},
          JSONPatch{op: 'add', path: string(p.at) + '/httpGet/scheme', value: 'HTTP'}
        ] + (has(p.probe.httpGet.host) ? [JSONPatch{op: 'remove', path: string(p.at) + '/httpGet/host'}] : []) : [
          JSONPatch{op: 'remove', path: string(p.at) + '/' + string(p.action)},
          JSONPatch{op: 'add', path: string(p.at) + '/httpGet', value: {'path': dyn(p.path), 'port': dyn(15020), 'scheme': dyn('HTTP')}}
        ]).flatten() +
      object.spec.containers.transformList(i, c, !has(c.lifecycle) || !has(c.lifecycle.preStop), !has(c.lifecycle) ?
        JSONPatch{op: 'add', path: '/spec/containers/' + string(i) + '/lifecycle', value: {"preStop": dyn({"httpGet": dyn({"path": dyn("/drain"), "port": dyn(15020), "scheme": dyn("HTTP")})})}} :
        JSONPatch{op: 'add', path: '/spec/containers/' + string(i) + '/lifecycle/preStop', value: {"httpGet": dyn({"path": dyn("/drain"), "port": dyn(15020), "scheme": dyn("HTTP")})}}) +
      (!has(object.spec.initContainers) ? [JSONPatch{op: 'add', path: '/spec/initContainers', value: []}] : []) +
      [JSONPatch{op: 'add', path: "/spec/initContainers/0", value: {"args": dyn(["agent", "sidecar"]), "command": dyn(["/usr/local/bin/meshwright"]), "env": dyn([{"name": dyn("POD_NAME"), "valueFrom": dyn({"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("metadata.name")})})}, {"name": dyn("POD_NAMESPACE"), "valueFrom": dyn({"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("metadata.namespace")})})}, {"name": dyn("INSTANCE_IP"), "valueFrom": dyn({"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("status.podIP")})})}, {"name": dyn("SERVICE_ACCOUNT"), "valueFrom": dyn({"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("spec.serviceAccountName")})})}, {"name": dyn("NODE_NAME"), "valueFrom": dyn({"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("spec.nodeName")})})}, {"name": dyn("HOST_IP"), "valueFrom": dyn({"fieldRef": dyn({"apiVersion": dyn("v1"), "fieldPath": dyn("status.hostIP")})})}, {"name": dyn("MESH_TRUST_DOMAIN"), "value": dyn(variables.trustDomain)}, {"name": dyn("MESH_CLUSTER_ID"), "value": dyn(variables.clusterID)}, {"name": dyn("TERMINATION_GRACE_SECONDS"), "value": dyn(string(has(object.spec.terminationGracePeriodSeconds) ? object.spec.terminationGracePeriodSeconds : 30))}, {"name": dyn("MESH_REVISION"), "value": dyn(variables.revision)}, {"name": dyn("DISCOVERY_ADDRESS"), "value": dyn(variables.discoveryAddress)}, {"name": dyn("MESH_ROOT_CERT"), "value": dyn(variables.rootCert)}, {"name": dyn("PROXY_LOG_LEVEL"), "value": dyn(variables.ann[?"sidecar.istio.io/logLevel"].orValue(variables.logLevel))}, {"name": dyn("PROXY_CONCURRENCY"), "value": dyn(variables.concurrency)}, {"name": dyn("ISTIO_KUBE_APP_PROBERS"), "value": dyn(string(variables.probers).replace('$', '$$'))}] + (variables.scrape == '' ? [] : [{"name": dyn("ISTIO_PROMETHEUS_ANNOTATIONS"), "value": dyn(string(variables.scrape).replace('$', '$$'))}])), "image": dyn(variables.image), "imagePullPolicy": dyn(variables.imagePullPolicy), "lifecycle": dyn({"preStop": dyn({"exec": dyn({"command": dyn(["/usr/local/bin/meshwright", "leave"])})})}), "name": dyn("istio-proxy"), "ports": dyn([{"containerPort": dyn(15090), "name": dyn("http-envoy-prom"), "protocol": dyn("TCP")}]), "readinessProbe": dyn({"failureThreshold": dyn(4), "httpGet": dyn({"path": dyn("/healthz/ready"), "port": dyn(15021), "scheme": dyn("HTTP")}), "periodSeconds": dyn(15), "successThreshold": dyn(1), "timeoutSeconds": dyn(3)}), "resources": dyn(variables.resources), "restartPolicy": dyn("Always"), "securityContext": dyn({"allowPrivilegeEscalation": dyn(false), "capabilities": dyn({"drop": dyn(["ALL"])}), "privileged": dyn(false), "readOnlyRootFilesystem": dyn(true), "runAsGroup": dyn(1337), "runAsNonRoot": dyn(true), "runAsUser": dyn(1337), "seccompProfile": dyn({"type": dyn("RuntimeDefault")})}), "startupProbe": dyn({"failureThreshold": dyn(600), "httpGet": dyn({"path": dyn("/healthz/ready"), "port": dyn(15021), "scheme": dyn("HTTP")}), "periodSeconds": dyn(1), "successThreshold": dyn(1), "timeoutSeconds": dyn(3)}), "terminationMessagePath": dyn("/dev/termination-log"), "terminationMessagePolicy": dyn("FallbackToLogsOnError"), "volumeMounts": dyn([{"mountPath": dyn("/etc/istio/proxy"), "name": dyn("istio-envoy")}, {"mountPath": dyn("/etc/istio/pod"), "name": dyn("istio-podinfo")}, {"mountPath": dyn("/var/run/secrets/tokens"), "name": dyn("istio-token")}])}}] +
      [JSONPatch{op: 'add', path: "/spec/initContainers/0", value: {"args": dyn(["redirect", "--annotations-file=/etc/istio/pod/annotations"]), "command": dyn(["/usr/local/bin/meshwright"]), "image": dyn(variables.image), "imagePullPolicy": dyn(variables.imagePullPolicy), "name": dyn("istio-init"), "resources": dyn(variables.resources), "securityContext": dyn({"allowPrivilegeEscalation": dyn(false), "capabilities": dyn({"add": dyn(["NET_ADMIN"]), "drop": dyn(["ALL"])}), "privileged": dyn(false), "readOnlyRootFilesystem": dyn(true), "runAsGroup": dyn(0), "runAsNonRoot": dyn(false), "runAsUser": dyn(0), "seccompProfile": dyn({"type": dyn("RuntimeDefault")})}), "terminationMessagePath": dyn("/dev/termination-log"), "terminationMessagePolicy": dyn("FallbackToLogsOnError"), "volumeMounts": dyn([{"mountPath": dyn("/etc/istio/pod"), "name": dyn("istio-podinfo")}])}}]
{{- end -}}
