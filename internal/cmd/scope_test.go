package cmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/xds/cache"
)

func TestScopePrintsTheSidecarThatFreezesIt(t *testing.T) {
	t.Parallel()
	address := discoveryOf(t, []cache.ProxyState{
		{ID: "a", Namespace: "shop", Pod: "front-1", Learned: &cache.Learned{
			Workload: "shop/front",
			Clusters: []string{"outbound|3306||db.shop.svc.cluster.local", "outbound|80|v1|back.ops.svc.cluster.local", "outbound|80||back.ops.svc.cluster.local", "outbound|80||shop.example.com"},
		}},
		{ID: "b", Namespace: "shop", Pod: "idle-1", Learned: &cache.Learned{Workload: "shop/idle"}},
		{ID: "c", Namespace: "shop", Pod: "full-1"},
		{ID: "d", Namespace: "ops", Pod: "front-1"},
	})
	const front = `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: front
  namespace: shop
spec:
  egress:
  - hosts:
    - '*/shop.example.com'
    - ops/back.ops.svc.cluster.local
    - shop/db.shop.svc.cluster.local
  workloadSelector:
    labels:
      app: front
`
	for name, tc := range map[string]struct {
		args   []string
		want   string
		fails  string
		within bool
	}{
		"a workload":                   {args: []string{"front-1.shop", "--selector", "app=front"}, want: front},
		"one that calls nobody":        {args: []string{"idle-1", "--selector", "app=idle"}, want: "- ~/*\n", within: true},
		"a pod of several namespaces":  {args: []string{"front-1", "--selector", "app=front"}, fails: "write front-1.NAMESPACE"},
		"a proxy in full mode":         {args: []string{"full-1", "--selector", "app=full"}, fails: "not in automatic mode"},
		"a pod that is not there":      {args: []string{"none", "--selector", "app=none"}, fails: "no proxy of pod none is connected"},
		"without a selector":           {args: []string{"front-1.shop"}, fails: "give --selector"},
		"a selector that no label has": {args: []string{"front-1.shop", "--selector", "app in (a,b)"}, fails: "give --selector"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := runCommand(t, append([]string{"scope", "--address", address}, tc.args...)...)
			switch {
			case tc.fails != "":
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("error %v, want one about %q", err, tc.fails)
				}
			case err != nil:
				t.Error(err)
			case tc.within:
				if !strings.Contains(got, tc.want) {
					t.Errorf("printed\n%s\nwithout %q", got, tc.want)
				}
			default:
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("printed (-want +got):\n%s", diff)
				}
			}
		})
	}
}
