package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/meshwright/meshwright/api/v1alpha1"
	"github.com/meshwright/meshwright/internal/install/plan"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

func TestTheNinetyNinthOfAHundred(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := range 200 {
		times = append(times, time.Duration(200-i))
	}
	for name, tc := range map[string]struct {
		times []time.Duration
		want  time.Duration
	}{
		"none":        {nil, 0},
		"one":         {[]time.Duration{7}, 7},
		"two hundred": {times, 198},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := percentile99(tc.times); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestGatewaysCountInTheGates(t *testing.T) {
	w, discovery := canaryWorld(t)
	w.create("prod", strings.Replace(canarySpec("steps: [{weight: 100}]"), "minimal", "default", 1))
	w.ready("prod")
	target := w.strict()
	labels := map[string]string{plan.LabelRevision: target.Revision, plan.LabelComponent: "gateway-ingress"}
	if err := w.runPod(w.ctx, "mesh-ingress", "ingress-0", labels); err != nil {
		t.Fatal(err)
	}
	w.Cleanup(func() {
		_ = w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace("mesh-ingress"), client.GracePeriodSeconds(0))
	})
	w.change(makeStrict)
	proxy := cache.ProxyState{ID: "router~ingress-0.mesh-ingress", Type: "router", Pod: "ingress-0", Namespace: "mesh-ingress", Connected: time.Unix(1, 0)}
	says := func(gate, message string) {
		t.Helper()
		w.eventually(gate+" says "+message, func() error {
			u := w.get("prod").Status.Update
			if u == nil || !slices.ContainsFunc(u.Gates, func(g v1alpha1.GateStatus) bool {
				return g.Name == gate && !g.OK && strings.Contains(g.Message, message)
			}) {
				return fmt.Errorf("update is %+v", u)
			}
			return nil
		})
	}
	says("proxiesConnected", "0 of 1 running pods with its proxy are connected")
	late := proxy
	late.Types = []cache.TypeState{{UnackedSince: time.Unix(1, 0)}}
	discovery.says(target.Revision, late)
	says("configAcknowledged", "0 of 1 connected proxies took their configuration")
	discovery.says(target.Revision, proxy)
	if now := w.ready("prod").Status.ActiveRevision; now != target.Revision {
		t.Errorf("active is %s, want %s", now, target.Revision)
	}
}
