package inject

import (
	"fmt"
	"strings"

	"istio.io/api/annotation"
	"istio.io/api/label"
	corev1 "k8s.io/api/core/v1"
)

// Expression is a named expression of CEL.
type Expression struct{ Name, Text string }

// Policy is the heart of a MutatingAdmissionPolicy that does to a pod what
// Patch does. What differs from mesh to mesh it takes from the variables that
// PolicyInputs names.
type Policy struct {
	// Conditions all hold for a pod that is to be injected.
	Conditions []Expression
	// Variables come after the inputs.
	Variables []Expression
	// Mutations are lists of JSON patches, of which the first is empty: it fails
	// for a pod that cannot be injected. The error of the API server has the
	// whole expression in it, so that one is short.
	Mutations []string
}

// PolicyInputs are the variables that a policy needs before its own: strings,
// but for the list answers (the values of istio.io/rev that mean this revision)
// and the maps requests and limits, where requests has the limits of what is
// not requested.
var PolicyInputs = []string{
	"image", "imagePullPolicy", "discoveryAddress", "trustDomain", "clusterID", "revision", "answers", "logLevel", "concurrency", "requests", "limits", "rootCert",
}

// input is the expression of an input.
func input(name string) string { return "variables." + name }

// NewPolicy writes the policy. It is the same at all times.
func NewPolicy() Policy {
	variables := []Expression{
		{"ann", orEmpty("object.metadata", "annotations")},
		{"labels", orEmpty("object.metadata", "labels")},
		{"asked", asked()},
	}
	variables = append(variables, metadataVariables()...)
	variables = append(variables, resourceVariables()...)
	variables = append(variables, probeVariables()...)
	variables = append(variables, refusalVariables()...)
	return Policy{Conditions: conditions(), Variables: variables, Mutations: []string{"!variables.asked || variables.accepted ? [] : [JSONPatch{}]", mutation()}}
}

// orEmpty is a map, empty where there is none.
func orEmpty(parent, field string) string {
	return fmt.Sprintf("has(%[1]s.%[2]s) ? %[1]s.%[2]s : {}", parent, field)
}

// listOf is a list, empty where there is none.
func listOf(parent, field string) string {
	return fmt.Sprintf("(has(%[1]s.%[2]s) ? %[1]s.%[2]s : [])", parent, field)
}

// conditions are what skip asks, but for the namespace, which the policy's
// selectors have. Variables cannot be used in them.
func conditions() []Expression {
	const annotations = "has(object.metadata.annotations) && "
	wanted := fmt.Sprintf("has(object.metadata.labels) && %[1]s in object.metadata.labels ? object.metadata.labels[%[1]s] != 'false' : !(%[2]s%[3]s in object.metadata.annotations && object.metadata.annotations[%[3]s] == 'false')",
		quoteCEL(label.SidecarInject.Name), annotations, quoteCEL(annotation.SidecarInject.Name))
	injected := fmt.Sprintf("%s%s in object.metadata.annotations && has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == %s)",
		annotations, quoteCEL(annotation.SidecarStatus.Name), quoteCEL(proxyContainer))
	return []Expression{
		{"not-host-network", "!has(object.spec.hostNetwork) || !object.spec.hostNetwork"},
		{"not-windows", "!has(object.spec.os) || object.spec.os.name != " + quoteCEL(string(corev1.Windows))},
		{"not-opted-out", wanted},
		{"not-injected", "!(" + injected + ")"},
	}
}

// asked is Istio's precedence of labels: the namespace's before the pod's,
// istio-injection before istio.io/rev. What names no revision means the tag
// default.
func asked() string {
	return fmt.Sprintf(`[%s].all(ns,
  'istio-injection' in ns ? ns['istio-injection'] == 'enabled' && 'default' in %[3]s :
  %[2]s in ns ? string(ns[%[2]s]) in %[3]s :
  %[2]s in variables.labels ? string(variables.labels[%[2]s]) in %[3]s :
  variables.labels[?%[4]s].orValue('') == 'true' && 'default' in %[3]s)`,
		orEmpty("namespaceObject.metadata", "labels"), quoteCEL(label.IoIstioRev.Name), input("answers"), quoteCEL(label.SidecarInject.Name))
}

// metadataVariables work out labels and annotations, as labelsToAdd does.
func metadataVariables() []Expression {
	const owners = "(has(object.metadata.ownerReferences) ? object.metadata.ownerReferences.filter(o, has(o.controller) && o.controller) : [])"
	first := func(fallback string, names ...string) string {
		for i := len(names) - 1; i >= 0; i-- {
			fallback = fmt.Sprintf("variables.labels[?%s].orValue('') != '' ? string(variables.labels[%s]) : %s", quoteCEL(names[i]), quoteCEL(names[i]), fallback)
		}
		return fallback
	}
	trim := func(text, suffix string) string {
		return fmt.Sprintf("(%[1]s.endsWith(%[2]s) ? %[1]s.substring(0, size(%[1]s) - size(%[2]s)) : %[1]s)", text, suffix)
	}
	hash := "string(variables.labels['pod-template-hash'])"
	workload := `variables.owners.size() == 0 ?
  (has(object.metadata.name) && object.metadata.name != '' ? object.metadata.name : has(object.metadata.generateName) ? ` + trim("object.metadata.generateName", "'-'") + ` : '') :
  variables.owners[0].kind == 'ReplicaSet' && variables.labels[?'pod-template-hash'].orValue('') != '' ? ` + trim("variables.owners[0].name", "('-' + "+hash+")") + ` :
  variables.owners[0].kind == 'Job' && variables.owners[0].name.matches('^.+-[0-9]{8,10}$') ? variables.owners[0].name.substring(0, variables.owners[0].name.lastIndexOf('-')) :
  variables.owners[0].name`
	return []Expression{
		{"owners", owners},
		{"workload", workload},
		{"named", first("string(variables.workload)", "app.kubernetes.io/name", "app")},
		{"canonicalName", fmt.Sprintf("size(variables.named) > %[1]d ? variables.named.substring(0, %[1]d).find('^.*[^-_.]') : variables.named", maxLabel)},
		{"canonicalRevision", first("'latest'", "app.kubernetes.io/version", "version")},
		{"merges", fmt.Sprintf("variables.ann[?%s].orValue('') != 'false'", quoteCEL(annotation.PrometheusMergeMetrics.Name))},
		{"scrape", scrapeExpression()},
	}
}

// resourceVariables are as proxyResources.
func resourceVariables() []Expression {
	// Of a certain type: the API server (1.36) panics on an optional entry of a
	// map literal whose type is dynamic.
	get := func(name string) string {
		return fmt.Sprintf("(%[1]s in variables.ann ? optional.of(string(variables.ann[%[1]s])) : optional.none())", quoteCEL(name))
	}
	cpu, memory := get(annotation.SidecarProxyCPU.Name), get(annotation.SidecarProxyMemory.Name)
	cpuLimit, memoryLimit := get(annotation.SidecarProxyCPULimit.Name), get(annotation.SidecarProxyMemoryLimit.Name)
	var sized []string
	for _, value := range []string{cpu, memory, cpuLimit, memoryLimit} {
		sized = append(sized, value+".hasValue()")
	}
	return []Expression{
		{"sized", strings.Join(sized, " || ")},
		{"resources", fmt.Sprintf(`variables.sized ?
  {'requests': {?'cpu': %[1]s.or(%[3]s), ?'memory': %[2]s.or(%[4]s)}, 'limits': {?'cpu': %[3]s, ?'memory': %[4]s}} :
  {'requests': %[5]s, 'limits': %[6]s}`, cpu, memory, cpuLimit, memoryLimit, input("requests"), input("limits"))},
	}
}

// mutation puts everything together, in the order of Patch.
func mutation() string {
	var parts []string
	add := func(path, value string) string {
		return fmt.Sprintf("JSONPatch{op: 'add', path: %s, value: %s}", path, value)
	}
	always := func(path string, value any) {
		parts = append(parts, "["+add(quoteCEL(path), celValue(value))+"]")
	}
	when := func(condition string, ops ...string) {
		parts = append(parts, fmt.Sprintf("(%s ? [%s] : [])", condition, strings.Join(ops, ", ")))
	}
	when("!has(object.metadata.labels)", add("'/metadata/labels'", "{}"))
	always("/metadata/labels/"+escape.Replace(label.IoIstioRev.Name), expr(input("revision")))
	for _, l := range []struct{ name, value string }{
		{label.SecurityTlsMode.Name, "'istio'"},
		{label.ServiceCanonicalName.Name, "variables.canonicalName"},
		{label.ServiceCanonicalRevision.Name, "variables.canonicalRevision"},
	} {
		when(fmt.Sprintf("!(%s in variables.labels)", quoteCEL(l.name)), add(quoteCEL("/metadata/labels/"+escape.Replace(l.name)), l.value))
	}
	when("!has(object.metadata.annotations)", add("'/metadata/annotations'", "{}"))
	annotations, err := annotationsToAdd(&corev1.Pod{}, &Config{Revision: expr(input("revision"))})
	if err != nil {
		panic(err) // an empty pod has no annotation that is wrong
	}
	always("/metadata/annotations/"+escape.Replace(annotation.SidecarStatus.Name), annotations[annotation.SidecarStatus.Name])
	var prometheus []string
	for _, name := range []string{prometheusPath, prometheusPort, prometheusScrape} {
		prometheus = append(prometheus, add(quoteCEL("/metadata/annotations/"+escape.Replace(name)), quoteCEL(annotations[name])))
	}
	when("variables.merges", prometheus...)
	when("!has(object.spec.volumes)", add("'/spec/volumes'", "[]"))
	for _, v := range volumes {
		always("/spec/volumes/-", celObject(v))
	}
	parts = append(parts, probeMutation(), leaveMutation())
	when("!has(object.spec.initContainers)", add("'/spec/initContainers'", "[]"))
	redirect, proxy := policyContainers()
	always("/spec/initContainers/0", proxy)
	always("/spec/initContainers/0", redirect)
	return "!variables.asked || size(variables.refusals) > 0 ? [] :\n" + strings.Join(parts, " +\n")
}

// policyContainers are the two containers, with expressions for what depends on
// the mesh or the pod.
func policyContainers() (redirect, proxy map[string]any) {
	c := &Config{
		Image:            expr(input("image")),
		ImagePullPolicy:  corev1.PullPolicy(expr(input("imagePullPolicy"))),
		DiscoveryAddress: expr(input("discoveryAddress")),
		TrustDomain:      expr(input("trustDomain")),
		ClusterID:        expr(input("clusterID")),
		Revision:         expr(input("revision")),
		LogLevel:         expr("variables.ann[?" + quoteCEL(annotation.SidecarLogLevel.Name) + "].orValue(" + input("logLevel") + ")"),
	}
	env, err := proxyEnv(&corev1.Pod{}, &Input{Config: c, RootCert: expr(input("rootCert"))})
	if err != nil {
		panic(err) // an empty pod has no annotation that is wrong
	}
	for i := range env {
		switch env[i].Name {
		case "PROXY_CONCURRENCY":
			env[i].Value = expr(input("concurrency"))
		case "TERMINATION_GRACE_SECONDS":
			env[i].Value = expr(fmt.Sprintf("string(has(object.spec.terminationGracePeriodSeconds) ? object.spec.terminationGracePeriodSeconds : %d)", corev1.DefaultTerminationGracePeriodSeconds))
		case "ISTIO_KUBE_APP_PROBERS":
			env[i].Value = expr(literalExpression("variables.probers"))
		}
	}
	redirect = celObject(redirectInit(c, corev1.ResourceRequirements{}))
	proxy = celObject(proxySidecar(c, corev1.ResourceRequirements{}, env))
	redirect["resources"], proxy["resources"] = expr("variables.resources"), expr("variables.resources")
	proxy["env"] = expr(celValue(proxy["env"]) + " + (variables.scrape == '' ? [] : [" +
		celValue(map[string]any{"name": "ISTIO_PROMETHEUS_ANNOTATIONS", "value": expr(literalExpression("variables.scrape"))}) + "])")
	return redirect, proxy
}

// literalExpression is as literal.
func literalExpression(text string) string { return "string(" + text + ").replace('$', '$$')" }
