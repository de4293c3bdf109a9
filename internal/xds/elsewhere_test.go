package xds_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/spiffe"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

func TestAProxyWhoseRevisionHasItsOwnDiscoveryIsSentThere(t *testing.T) {
	h := start(t, callers{spiffe.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front"}})
	front := pod("front")
	front.Value.(*mesh.Workload).Labels = map[string]string{"istio.io/rev": "prod-1"}
	h.engine.Apply([]mesh.Change{config(), front, service("back-1")})
	h.engine.Synced()
	h.elsewhere.Set("prod-0", true)
	const cluster = "outbound|8080||back-1.shop.svc.cluster.local"
	c := client(t)
	h.until(t, c, resource.Cluster, cluster)

	ended := make(chan error, 1)
	go func() { ended <- h.end(t, client(t)) }()
	h.eventually(t, func(p cache.ProxyState) bool { return p.InSync })
	h.elsewhere.Set("prod-1", true)
	for what, err := range map[string]error{"connected": <-ended, "that comes": h.end(t, client(t))} {
		// Not only its stream: the next would come by the same connection.
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "EOF") {
			t.Errorf("a proxy %s gets %v, want its connection to end", what, err)
		}
	}
	h.elsewhere.Set("prod-1", false)
	h.until(t, client(t), resource.Cluster, cluster)
}
