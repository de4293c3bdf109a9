package capture

import (
	"path/filepath"
	"testing"

	"github.com/meshwright/meshwright/internal/test/golden"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, annotations := range map[string]map[string]string{
		"everything": nil,
		"exclusions": {
			"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.1.0.0/16,fd00::1/128",
			"traffic.sidecar.istio.io/excludeOutboundPorts":    "3306",
			"traffic.sidecar.istio.io/excludeInboundPorts":     "22,9000",
			"traffic.sidecar.istio.io/excludeInterfaces":       "eth1",
		},
		"inclusions": {
			"traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.0/8,fd00::/8",
			"traffic.sidecar.istio.io/includeOutboundPorts":    "443",
			"traffic.sidecar.istio.io/includeInboundPorts":     "8080,8443",
		},
		"nothing": {
			"traffic.sidecar.istio.io/includeOutboundIPRanges": "",
			"traffic.sidecar.istio.io/includeInboundPorts":     "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := FromAnnotations(annotations)
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", name+".nft"), []byte(Text(c.Rules())))
		})
	}
}
