package inject

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"gomodules.xyz/jsonpatch/v2"
	"istio.io/api/annotation"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// agentPort is where the agent answers the kubelet's probes, from outside the
// mesh, and serves metrics.
const agentPort = 15020

// prober is a probe that the agent carries out for the kubelet. The JSON form
// is Istio's (ISTIO_KUBE_APP_PROBERS), with the API server's defaults filled in
// and every port a number.
type prober struct {
	HTTPGet        *corev1.HTTPGetAction   `json:"httpGet,omitempty"`
	TCPSocket      *corev1.TCPSocketAction `json:"tcpSocket,omitempty"`
	GRPC           *corev1.GRPCAction      `json:"grpc,omitempty"`
	TimeoutSeconds int32                   `json:"timeoutSeconds"`
}

// rewrite is one probe that moves to the agent.
type rewrite struct {
	// pointer is the JSON pointer of the probe in the pod.
	pointer string
	// path is where the agent answers for it.
	path   string
	probe  *corev1.Probe
	prober prober
}

// probeKinds are the probes of a container and the ends of their paths at the
// agent.
var probeKinds = []struct{ key, path string }{
	{"readinessProbe", "readyz"}, {"livenessProbe", "livez"}, {"startupProbe", "startupz"},
}

// rewrites are the probes of the pod that would not get through the proxy: the
// kubelet has no identity in the mesh. A probe that runs a command needs none,
// and one that asks the agent already stays.
func rewrites(pod *corev1.Pod) ([]rewrite, error) {
	switch name := annotation.SidecarRewriteAppHTTPProbers.Name; pod.Annotations[name] {
	case "false":
		return nil, nil
	case "", "true":
	default:
		return nil, fmt.Errorf("annotation %s: %q is neither \"true\" nor \"false\"", name, pod.Annotations[name])
	}
	var out []rewrite
	for list, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			base := fmt.Sprintf("/spec/%s/%d/", []string{"initContainers", "containers"}[list], i)
			probes := []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe}
			for k, kind := range probeKinds {
				prober, ok, err := newProber(c, probes[k])
				if err != nil {
					return nil, fmt.Errorf("%s of container %s: %w", kind.key, c.Name, err)
				}
				if ok {
					out = append(out, rewrite{base + kind.key, "/app-health/" + c.Name + "/" + kind.path, probes[k], prober})
				}
			}
		}
	}
	return out, nil
}

// newProber is false for a probe that stays as it is.
func newProber(c *corev1.Container, probe *corev1.Probe) (prober, bool, error) {
	if probe == nil {
		return prober{}, false, nil
	}
	p := prober{TimeoutSeconds: max(probe.TimeoutSeconds, 1)}
	var port *intstr.IntOrString
	switch {
	case probe.HTTPGet != nil:
		p.HTTPGet = probe.HTTPGet.DeepCopy()
		if p.HTTPGet.Scheme == "" {
			p.HTTPGet.Scheme = corev1.URISchemeHTTP
		}
		if p.HTTPGet.Path == "" {
			p.HTTPGet.Path = "/"
		}
		port = &p.HTTPGet.Port
	case probe.TCPSocket != nil:
		p.TCPSocket = probe.TCPSocket.DeepCopy()
		port = &p.TCPSocket.Port
	case probe.GRPC != nil:
		p.GRPC = probe.GRPC.DeepCopy()
		if p.GRPC.Service == nil {
			p.GRPC.Service = ptr.To("")
		}
		return p, true, p.check()
	default:
		return prober{}, false, nil
	}
	if port.Type == intstr.String {
		i := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.StrVal })
		if i < 0 {
			return prober{}, false, fmt.Errorf("port %q is not the name of a port of the container; name one of its ports or give a number", port.StrVal)
		}
		*port = intstr.FromInt32(c.Ports[i].ContainerPort)
	}
	return p, port.IntVal != agentPort, p.check()
}

// unwritable is what JSON would escape, beside quotes and backslashes. No
// kubelet could send it, and an admission policy could not write it.
var unwritable = regexp.MustCompile(`[\x00-\x1f\x{2028}\x{2029}]`)

var errUnwritable = errors.New("it holds a control character or a line break; remove it")

func (p *prober) check() error {
	var texts []string
	switch {
	case p.HTTPGet != nil:
		texts = []string{p.HTTPGet.Path, p.HTTPGet.Host}
		for _, h := range p.HTTPGet.HTTPHeaders {
			texts = append(texts, h.Name, h.Value)
		}
	case p.TCPSocket != nil:
		texts = []string{p.TCPSocket.Host}
	case p.GRPC != nil:
		texts = []string{*p.GRPC.Service}
	}
	if slices.ContainsFunc(texts, unwritable.MatchString) {
		return errUnwritable
	}
	return nil
}

// ops move the probe to the agent. Its times and thresholds stay.
func (r *rewrite) ops() []jsonpatch.Operation {
	action := &corev1.HTTPGetAction{Path: r.path, Port: intstr.FromInt32(agentPort), Scheme: corev1.URISchemeHTTP}
	add := jsonpatch.NewOperation("add", r.pointer+"/httpGet", action)
	switch {
	case r.probe.TCPSocket != nil:
		return []jsonpatch.Operation{jsonpatch.NewOperation("remove", r.pointer+"/tcpSocket", nil), add}
	case r.probe.GRPC != nil:
		return []jsonpatch.Operation{jsonpatch.NewOperation("remove", r.pointer+"/grpc", nil), add}
	}
	// The agent sends these on to the application.
	action.HTTPHeaders = r.probe.HTTPGet.HTTPHeaders
	return []jsonpatch.Operation{add}
}

// proberJSON is the value of ISTIO_KUBE_APP_PROBERS: path to prober, sorted.
func proberJSON(pod *corev1.Pod) (string, error) {
	list, err := rewrites(pod)
	if err != nil {
		return "", err
	}
	probers := map[string]prober{}
	for _, r := range list {
		probers[r.path] = r.prober
	}
	out, err := encodeJSON(probers)
	if err != nil {
		return "", fmt.Errorf("write probers: %w", err)
	}
	return out, nil
}
