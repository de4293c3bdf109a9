package envoy

import (
	"testing"
)

func TestIsOwn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		stat string
		want bool
	}{
		"the mesh's inbound listener":      {stat: "listener.0.0.0.0_15006.downstream_cx_active"},
		"a listener with a name":           {stat: "listener.virtualInbound.downstream_cx_active"},
		"a port that ends like a given":    {stat: "listener.0.0.0.0_5021.downstream_cx_active"},
		"the health listener":              {stat: "listener.0.0.0.0_15021.downstream_cx_active", want: true},
		"the health listener of IPv6 pods": {stat: "listener.[__]_15021.downstream_cx_active", want: true},
		"the admin port":                   {stat: "listener.admin.downstream_cx_active", want: true},
		"the admin port's main thread":     {stat: "listener.admin.main_thread.downstream_cx_active", want: true},
		"a worker's part of a listener":    {stat: "listener.0.0.0.0_15006.worker_0.downstream_cx_active", want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := isOwn(tc.stat, []int{15021, 15090}); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
