package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshwright/meshwright/internal/install/plan"
)

// peer is one end of a connection: a pod, or what is outside of the pods'
// network, such as the API server, a node or a client.
type peer struct {
	namespace string // empty for what is outside
	labels    map[string]string
}

// wire is a connection as it arrives at a pod.
type wire struct {
	from, to peer
	protocol corev1.Protocol
	port     int32
}

// admits computes whether the policies let a connection through, as the
// Kubernetes API defines it.
func admits(policies []networkingv1.NetworkPolicy, w wire) bool {
	return admitsOneWay(policies, networkingv1.PolicyTypeEgress, w.from, w.to, w) &&
		admitsOneWay(policies, networkingv1.PolicyTypeIngress, w.to, w.from, w)
}

func admitsOneWay(policies []networkingv1.NetworkPolicy, direction networkingv1.PolicyType, self, other peer, w wire) bool {
	if self.namespace == "" {
		return true // policies are about pods
	}
	isolated := false
	for _, p := range policies {
		if p.Namespace != self.namespace || !selects(&p.Spec.PodSelector, self.labels) || !slices.Contains(p.Spec.PolicyTypes, direction) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeIngress {
			for _, rule := range p.Spec.Ingress {
				if ofPeers(rule.From, p.Namespace, other) && ofPorts(rule.Ports, w) {
					return true
				}
			}
			continue
		}
		for _, rule := range p.Spec.Egress {
			if ofPeers(rule.To, p.Namespace, other) && ofPorts(rule.Ports, w) {
				return true
			}
		}
	}
	return !isolated
}

func ofPeers(peers []networkingv1.NetworkPolicyPeer, namespace string, other peer) bool {
	if len(peers) == 0 {
		return true
	}
	for _, p := range peers {
		if other.namespace == "" || p.IPBlock != nil {
			continue
		}
		inNamespace := other.namespace == namespace
		if p.NamespaceSelector != nil {
			inNamespace = selects(p.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": other.namespace})
		}
		if inNamespace && (p.PodSelector == nil || selects(p.PodSelector, other.labels)) {
			return true
		}
	}
	return false
}

func ofPorts(ports []networkingv1.NetworkPolicyPort, w wire) bool {
	if len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		protocol := corev1.ProtocolTCP
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		return protocol == w.protocol && (p.Port == nil || p.Port.IntVal == w.port)
	})
}

func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

func decodeInto(t *testing.T, o *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
		t.Fatal(err)
	}
}

// operands are the pods of a plan by component, and its policies.
func operands(t *testing.T, p *plan.Plan) (map[string]peer, map[string]*appsv1.Deployment, []networkingv1.NetworkPolicy) {
	t.Helper()
	pods, deployments := map[string]peer{}, map[string]*appsv1.Deployment{}
	var policies []networkingv1.NetworkPolicy
	for _, o := range p.RevisionSet {
		switch o.GetKind() {
		case "Deployment":
			d := decodeDeployment(t, o)
			component := o.GetLabels()[plan.LabelComponent]
			pods[component], deployments[component] = peer{o.GetNamespace(), d.Spec.Template.Labels}, d
		case "NetworkPolicy":
			var policy networkingv1.NetworkPolicy
			decodeInto(t, o, &policy)
			policies = append(policies, policy)
		}
	}
	return pods, deployments, policies
}

const (
	anywhere = "anywhere"
	fromPods = "any pod"
	outside  = "outside"
)

// TestPoliciesLetInWhatTheProductNeedsAndNothingElse computes for each pod of a
// mesh, each port and each kind of peer what gets through. The tables are the
// connections that the product makes.
func TestPoliciesLetInWhatTheProductNeedsAndNothingElse(t *testing.T) {
	p := render(t, withSpec(t, `  profile: production
  components:
    gateways:
    - {name: egress, namespace: mesh-egress, kind: Egress, service: {ports: [{name: tls, port: 15443}]}}
`))
	pods, deployments, policies := operands(t, p)
	scrape := map[string]string{"TCP 15020": fromPods, "TCP 15090": fromPods, "TCP 15021": anywhere}
	in := map[string]map[string]string{
		// Proxies of any namespace; metrics, debug and gates.
		"discovery": {"TCP 15012": fromPods, "TCP 15014": fromPods},
		// The API server; metrics.
		"injector": {"TCP 9443": anywhere, "TCP 15014": fromPods},
		// Clients; probes of load balancers; metrics.
		"gateway-ingress": {"TCP 8080": anywhere, "TCP 8443": anywhere},
		"gateway-egress":  {"TCP 15443": anywhere},
	}
	maps.Copy(in["gateway-ingress"], scrape)
	maps.Copy(in["gateway-egress"], scrape)
	toAPIServer := map[string]string{"TCP 443": anywhere, "TCP 6443": anywhere}
	out := map[string]map[string]string{"discovery": toAPIServer, "injector": toAPIServer}
	if len(pods) != len(in) || len(policies) != len(in) {
		t.Fatalf("%d pods and %d policies, want %d", len(pods), len(policies), len(in))
	}
	// Peers that no policy of ours is about.
	peers := map[string][]peer{
		fromPods: {{"shop", map[string]string{"app": "front"}}, {"mesh-system", nil}, {"monitoring", map[string]string{"app": "prometheus"}}},
		outside:  {{}},
	}
	for component, pod := range pods {
		got := reach(policies, peers, func(other peer, protocol corev1.Protocol, port int32) wire { return wire{other, pod, protocol, port} })
		if d := cmp.Diff(in[component], got); d != "" {
			t.Errorf("what reaches %s (-want +got):\n%s", component, d)
		}
		for _, c := range deployments[component].Spec.Template.Spec.Containers {
			for _, port := range c.Ports {
				if in[component][fmt.Sprintf("%s %d", port.Protocol, port.ContainerPort)] == "" {
					t.Errorf("%s has port %d, which nothing reaches", component, port.ContainerPort)
				}
			}
		}
		got = reach(policies, peers, func(other peer, protocol corev1.Protocol, port int32) wire { return wire{pod, other, protocol, port} })
		if strings.HasPrefix(component, "gateway-") {
			// Routes lead anywhere, and names are asked for.
			if all := 2 * len(candidates(policies)); len(got) != all {
				t.Errorf("%s reaches %d ports of %d, want all", component, len(got), all)
			}
			continue
		}
		if d := cmp.Diff(out[component], got); d != "" {
			t.Errorf("what %s reaches (-want +got):\n%s", component, d)
		}
	}
	for name, w := range map[string]wire{
		"a gateway to discovery":         {pods["gateway-ingress"], pods["discovery"], corev1.ProtocolTCP, 15012},
		"one gateway to another":         {pods["gateway-ingress"], pods["gateway-egress"], corev1.ProtocolTCP, 15443},
		"a gateway to the name server":   {pods["gateway-ingress"], peer{"kube-system", nil}, corev1.ProtocolUDP, 53},
		"discovery to another":           {pods["discovery"], pods["discovery"], corev1.ProtocolTCP, 15012},
		"the operator to discovery":      {peer{"meshwright-operator", nil}, pods["discovery"], corev1.ProtocolTCP, 15014},
		"the API server to the injector": {peer{}, pods["injector"], corev1.ProtocolTCP, 9443},
	} {
		if !admits(policies, w) {
			t.Errorf("%s is denied", name)
		}
	}
}

// candidates stand for all ports: those that a policy names, those beside
// them, and some that none does. A policy that names a range would need more.
func candidates(policies []networkingv1.NetworkPolicy) []int32 {
	set := map[int32]bool{1: true, 22: true, 53: true, 80: true, 15000: true, 65535: true}
	name := func(ports []networkingv1.NetworkPolicyPort) {
		for _, p := range ports {
			if p.EndPort != nil || p.Port == nil || p.Port.IntVal == 0 {
				panic(fmt.Sprintf("%v names other ports than one by number", p))
			}
			for port := p.Port.IntVal - 1; port <= p.Port.IntVal+1; port++ {
				set[port] = true
			}
		}
	}
	for _, p := range policies {
		for _, rule := range p.Spec.Ingress {
			name(rule.Ports)
		}
		for _, rule := range p.Spec.Egress {
			name(rule.Ports)
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// reach is for each port from what kinds of peers it gets through; ports that
// nothing gets through are left out.
func reach(policies []networkingv1.NetworkPolicy, peers map[string][]peer, to func(peer, corev1.Protocol, int32) wire) map[string]string {
	got := map[string]string{}
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
		for _, port := range candidates(policies) {
			kinds := map[string]bool{}
			for kind, list := range peers {
				kinds[kind] = !slices.ContainsFunc(list, func(other peer) bool { return !admits(policies, to(other, protocol, port)) })
			}
			key := fmt.Sprintf("%s %d", protocol, port)
			switch {
			case kinds[fromPods] && kinds[outside]:
				got[key] = anywhere
			case kinds[fromPods]:
				got[key] = fromPods
			case kinds[outside]:
				got[key] = outside
			}
		}
	}
	return got
}

func TestThereAreNoPoliciesUnlessAskedFor(t *testing.T) {
	if _, _, policies := operands(t, render(t, withSpec(t, ""))); len(policies) > 0 {
		t.Errorf("the profile default has %d NetworkPolicies", len(policies))
	}
	in := withSpec(t, "  values: {networkPolicy: {enabled: true, apiServerPorts: [8443]}}\n")
	pods, _, policies := operands(t, render(t, in))
	for port, want := range map[int32]bool{8443: true, 6443: false} {
		if admits(policies, wire{pods["discovery"], peer{}, corev1.ProtocolTCP, port}) != want {
			t.Errorf("discovery reaches port %d: %v, want %v", port, !want, want)
		}
	}
}

// TestTheOperatorsPolicyLetsThroughWhatItNeedsAndNothingElse is the same for the
// operator's own pod, with and without metrics and queries of gates.
func TestTheOperatorsPolicyLetsThroughWhatItNeedsAndNothingElse(t *testing.T) {
	discovery, _, _ := operands(t, render(t, withSpec(t, "")))
	for name, c := range map[string]struct {
		values  map[string]any
		in, out map[string]string
	}{
		"as it comes": {map[string]any{}, map[string]string{}, map[string]string{"TCP 443": anywhere, "TCP 6443": anywhere}},
		"with metrics and queries": {
			map[string]any{"monitoring": map[string]any{"enabled": true}, "networkPolicy": map[string]any{"queryPorts": []any{int64(9090)}}},
			map[string]string{"TCP 8080": fromPods},
			map[string]string{"TCP 443": anywhere, "TCP 6443": anywhere, "TCP 53": anywhere, "UDP 53": anywhere, "TCP 9090": anywhere},
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy, _ := c.values["networkPolicy"].(map[string]any)
			if policy == nil {
				policy = map[string]any{}
			}
			policy["enabled"] = true
			c.values["networkPolicy"] = policy
			objects, err := plan.Operator("meshwright-operator", c.values)
			if err != nil {
				t.Fatal(err)
			}
			var policies []networkingv1.NetworkPolicy
			var operator peer
			for _, o := range objects {
				switch o.GetKind() {
				case "NetworkPolicy":
					var p networkingv1.NetworkPolicy
					decodeInto(t, o, &p)
					policies = append(policies, p)
				case "Deployment":
					operator = peer{o.GetNamespace(), decodeDeployment(t, o).Spec.Template.Labels}
				}
			}
			peers := map[string][]peer{
				fromPods: {{"shop", map[string]string{"app": "front"}}, {"mesh-system", nil}, {"monitoring", map[string]string{"app": "prometheus"}}},
				outside:  {{}},
			}
			got := reach(policies, peers, func(other peer, protocol corev1.Protocol, port int32) wire {
				return wire{other, operator, protocol, port}
			})
			if d := cmp.Diff(c.in, got); d != "" {
				t.Errorf("what reaches the operator (-want +got):\n%s", d)
			}
			got = reach(policies, peers, func(other peer, protocol corev1.Protocol, port int32) wire {
				return wire{operator, other, protocol, port}
			})
			if d := cmp.Diff(c.out, got); d != "" {
				t.Errorf("what the operator reaches (-want +got):\n%s", d)
			}
			if !admits(policies, wire{operator, discovery["discovery"], corev1.ProtocolTCP, 15014}) {
				t.Error("it does not reach discovery, which gates are measured at")
			}
		})
	}
}
