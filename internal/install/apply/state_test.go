package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: b, generation: 2}
spec: {replicas: 2}
`

func TestStateOfObjects(t *testing.T) {
	cases := map[string]struct {
		object string
		want   State
	}{
		"a Deployment that nobody has looked at": {
			deployment + "status: {observedGeneration: 1, readyReplicas: 2, availableReplicas: 2}",
			State{Message: "Deployment generation is 2, but latest observed generation is 1", Serving: true, ReadyPods: 2, DesiredPods: 2},
		},
		"a Deployment with all pods": {
			deployment + "status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, conditions: [{type: Available, status: 'True'}]}",
			State{Ready: true, Serving: true, ReadyPods: 2, DesiredPods: 2},
		},
		"a Deployment with one of two": {
			deployment + "status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 1, availableReplicas: 1}",
			State{Message: "Available: 1/2", Serving: true, ReadyPods: 1, DesiredPods: 2},
		},
		"a Deployment that gave up": {
			deployment + "status: {observedGeneration: 2, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}",
			State{Failed: true, Message: "Progress deadline exceeded", DesiredPods: 2},
		},
		"a Service": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ClusterIP}",
			State{Ready: true},
		},
		"a load balancer without an address": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, clusterIP: 10.0.0.1}",
			State{Ready: true, AddressPending: true},
		},
		"a load balancer with a name and an address": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, clusterIP: 10.0.0.1}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: a.example}]}}",
			State{Ready: true, Addresses: []string{"192.0.2.1", "a.example"}},
		},
		"a webhook of which one entry cannot be called": {
			"apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: a}\nwebhooks: [{name: a, clientConfig: {caBundle: YQ==}}, {name: b, clientConfig: {}}]",
			State{Message: "the injector has not written its caBundle yet"},
		},
		"a webhook that can be called": {
			"apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: a}\nwebhooks: [{name: a, clientConfig: {caBundle: YQ==}}]",
			State{Ready: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := yaml.YAMLToJSON([]byte(tc.object))
			if err != nil {
				t.Fatal(err)
			}
			o := &unstructured.Unstructured{}
			if err := o.UnmarshalJSON(raw); err != nil {
				t.Fatal(err)
			}
			got, err := judge(o)
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Ref = RefOf(o)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
