package cmd

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func TestStatusPrintsInstallsAndFailsForOneThatIsNotReady(t *testing.T) {
	install := func(name string, ready metav1.ConditionStatus, message string) v1alpha1.MeshInstall {
		return v1alpha1.MeshInstall{
			ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2},
			Spec:       v1alpha1.MeshInstallSpec{Version: "v0.1.0", Profile: "demo"},
			Status: v1alpha1.MeshInstallStatus{
				Components: []v1alpha1.ComponentStatus{{Name: "discovery", Ready: 1, Desired: 2, Message: "Available: 1/2"}},
				Revisions:  []v1alpha1.RevisionStatus{{Name: name + "-0123456789", Version: "v0.1.0", Phase: v1alpha1.RevisionActive}},
				Conditions: []metav1.Condition{{Type: "Ready", Status: ready, Message: message, ObservedGeneration: 2}},
			},
		}
	}
	stale := install("c", metav1.ConditionTrue, "fine")
	stale.Generation = 3
	canary := install("d", metav1.ConditionFalse, "step 1 of 2")
	canary.Status.Revisions[0].Namespaces, canary.Status.Revisions[0].Proxies = ptr.To[int32](3), ptr.To[int32](7)
	canary.Status.Unmeshed = &v1alpha1.UnmeshedStatus{Workloads: 12, Names: []string{"DaemonSet shop/probe", "Deployment shop/cart"}}
	canary.Status.Update = &v1alpha1.UpdateStatus{
		Step: 1, Steps: 2,
		Gates: []v1alpha1.GateStatus{
			{Name: "proxiesConnected", Value: "1", Threshold: "0.99", OK: true}, {Name: "pushLatencyP99", Value: "3s", Threshold: "2s", Message: "slow"},
		},
		Workloads: &v1alpha1.WorkloadsStatus{Total: 4, Moved: 1, Waiting: 2, Skipped: 1},
		BlockedBy: []string{"PodDisruptionBudget shop/cart allows 0 disruptions"},
	}
	cases := map[string]struct {
		installs []v1alpha1.MeshInstall
		out, err string
	}{
		"none": {nil, "There is no MeshInstall.\n", ""},
		"one that is ready": {
			[]v1alpha1.MeshInstall{install("a", metav1.ConditionTrue, "fine")},
			"MeshInstall a            version v0.1.0  profile demo  ready True  fine\n" +
				"  discovery              1/2                                       Available: 1/2\n" +
				"  revision a-0123456789  version v0.1.0  Active                    \n", "",
		},
		"a canary under way": {
			[]v1alpha1.MeshInstall{canary}, `MeshInstall d              version v0.1.0  profile demo  ready False              step 1 of 2
  discovery                1/2                                                    Available: 1/2
  revision d-0123456789    version v0.1.0  Active        3 namespaces, 7 proxies  
  without a sidecar        12                                                     DaemonSet shop/probe, Deployment shop/cart
  update                   step 1 of 2                                            
    gate proxiesConnected  open            1             wanted 0.99              
    gate pushLatencyP99    shut            3s            wanted 2s                slow
    workloads              1 of 4 moved    2 waiting     1 skipped, 0 failed      
    blocked by                                                                    PodDisruptionBudget shop/cart allows 0 disruptions
`, "not ready: d",
		},
		"one that is not, and one that was before its last change": {
			[]v1alpha1.MeshInstall{install("b", metav1.ConditionFalse, "wait"), stale}, "", "not ready: b, c",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := printStatus(&out, tc.installs)
			if got := errorText(err); got != tc.err {
				t.Errorf("error is %q, want %q", got, tc.err)
			}
			if d := cmp.Diff(tc.out, out.String()); tc.out != "" && d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
