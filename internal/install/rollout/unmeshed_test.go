package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/meshwright/meshwright/api/v1alpha1"
)

func TestUnmeshedIsWhatAsksAndHasNone(t *testing.T) {
	t.Parallel()
	type set = map[string]string
	cases := map[string]struct {
		namespace, labels, annotations set
		want                           bool
	}{
		"nobody asks":                                {nil, nil, nil, false},
		"the namespace asks":                         {set{"istio-injection": "enabled"}, nil, nil, true},
		"the namespace asks and the pod has one":     {set{"istio-injection": "enabled"}, nil, set{"sidecar.istio.io/status": "{}"}, false},
		"the namespace asks, the pod opts out":       {set{"istio-injection": "enabled"}, set{"sidecar.istio.io/inject": "false"}, nil, false},
		"the pod opts out by annotation":             {set{"istio-injection": "enabled"}, nil, set{"sidecar.istio.io/inject": "false"}, false},
		"the label wins over the annotation":         {set{"istio-injection": "enabled"}, set{"sidecar.istio.io/inject": "true"}, set{"sidecar.istio.io/inject": "false"}, true},
		"the namespace refuses, the pod asks":        {set{"istio-injection": "disabled"}, set{"sidecar.istio.io/inject": "true"}, nil, false},
		"the namespace asks for this revision":       {set{"istio.io/rev": "prod-1"}, nil, nil, true},
		"the namespace asks for another revision":    {set{"istio.io/rev": "1-20"}, set{"istio.io/rev": "prod-1"}, nil, false},
		"istio-injection wins over istio.io/rev":     {set{"istio-injection": "enabled", "istio.io/rev": "1-20"}, nil, nil, true},
		"the pod asks for this revision":             {nil, set{"istio.io/rev": "default"}, nil, true},
		"the pod asks for another revision":          {nil, set{"istio.io/rev": "1-20", "sidecar.istio.io/inject": "true"}, nil, false},
		"the pod asks for a sidecar of whatever is":  {nil, set{"sidecar.istio.io/inject": "true"}, nil, true},
		"the pod asks with a word that says nothing": {nil, set{"sidecar.istio.io/inject": "yes"}, nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &metav1.ObjectMeta{Labels: tc.labels, Annotations: tc.annotations}
			if got := Unmeshed(pod, tc.namespace, []string{"default", "prod-1"}); got != tc.want {
				t.Errorf("unmeshed is %t", got)
			}
			if !Asks(pod, tc.namespace) && tc.want {
				t.Error("it is said to ask for no mesh")
			}
		})
	}
}

func TestUnmeshedOwnerIsRestartedAgainOnlyForANewFault(t *testing.T) {
	t.Parallel()
	restarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	now := restarted.Add(time.Hour)
	cases := map[string]struct {
		made time.Time
		want v1alpha1.WorkloadsStatus
	}{
		"a pod that was there before the restart":   {restarted.Add(-time.Hour), v1alpha1.WorkloadsStatus{Total: 1, Failed: 1}},
		"a pod that the restart itself made":        {restarted.Add(time.Minute), v1alpha1.WorkloadsStatus{Total: 1, Failed: 1}},
		"a pod that came long after, while no door": {restarted.Add(30 * time.Minute), v1alpha1.WorkloadsStatus{Total: 1, Waiting: 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Owner{Kind: "Deployment", Namespace: "shop", Name: "cart", Wanted: "prod-1", RestartedFor: "prod-1", RestartedAt: restarted}
			o.Without(tc.made, map[string]string{"app": "cart", "istio.io/rev": "default"})
			o.Without(tc.made.Add(-time.Second), nil)
			if d := cmp.Diff(map[string]string{"istio.io/rev": "default"}, o.Asking); d != "" {
				t.Errorf("asking (-want +got):\n%s", d)
			}
			wish := &v1alpha1.DataPlane{MaxConcurrent: ptr.To[int32](1), MaxUnavailablePerNamespace: ptr.To[int32](1)}
			restart, status, _, err := Restarts([]Owner{o}, wish, "", now)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&tc.want, status); d != "" {
				t.Errorf("status (-want +got):\n%s", d)
			}
			if len(restart) != int(tc.want.Waiting) {
				t.Errorf("%d restarts", len(restart))
			}
		})
	}
}
