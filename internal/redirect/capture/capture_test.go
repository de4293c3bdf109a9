package capture

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFromAnnotations(t *testing.T) {
	t.Parallel()
	everything := Capture{AllOutbound: true, AllInbound: true}
	for name, tc := range map[string]struct {
		annotations map[string]string
		want        func(*Capture)
	}{
		"no annotation captures everything": {},
		"an annotation of somebody else is not looked at": {
			annotations: map[string]string{"traffic.example.com/excludeInboundPorts": "x"},
		},
		"ranges replace the star": {
			annotations: map[string]string{"traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.0/8, fd00::/8"},
			want: func(c *Capture) {
				c.AllOutbound = false
				c.IncludeOutboundRanges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
			},
		},
		"an empty inclusion captures nothing": {
			annotations: map[string]string{
				"traffic.sidecar.istio.io/includeOutboundIPRanges": "",
				"traffic.sidecar.istio.io/includeInboundPorts":     "",
			},
			want: func(c *Capture) { *c = Capture{} },
		},
		"host bits of a range do not matter": {
			annotations: map[string]string{"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.1.2.3/8"},
			want: func(c *Capture) {
				c.ExcludeOutboundRanges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			},
		},
		"ports of every kind": {
			annotations: map[string]string{
				"traffic.sidecar.istio.io/includeOutboundPorts": "80",
				"traffic.sidecar.istio.io/excludeOutboundPorts": "3306, 6379",
				"traffic.sidecar.istio.io/includeInboundPorts":  "8080",
				"traffic.sidecar.istio.io/excludeInboundPorts":  "65535",
			},
			want: func(c *Capture) {
				c.AllInbound = false
				c.IncludeOutboundPorts = []uint16{80}
				c.ExcludeOutboundPorts = []uint16{3306, 6379}
				c.IncludeInboundPorts = []uint16{8080}
				c.ExcludeInboundPorts = []uint16{65535}
			},
		},
		"interfaces": {
			annotations: map[string]string{"traffic.sidecar.istio.io/excludeInterfaces": "eth1,net1"},
			want:        func(c *Capture) { c.ExcludeInterfaces = []string{"eth1", "net1"} },
		},
		"the mode that is served anyway may be named": {
			annotations: map[string]string{"sidecar.istio.io/interceptionMode": "REDIRECT"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := everything
			if tc.want != nil {
				tc.want(&want)
			}
			got, err := FromAnnotations(tc.annotations)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromAnnotationsRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		annotation, value string
		// wrong and fix are named by the error, beside the annotation.
		wrong, fix string
	}{
		"a port that is a name":            {"traffic.sidecar.istio.io/excludeInboundPorts", "80,http", `"http" in "80,http"`, "1 to 65535"},
		"port zero":                        {"traffic.sidecar.istio.io/includeOutboundPorts", "0", `"0"`, "1 to 65535"},
		"a port that is too large":         {"traffic.sidecar.istio.io/includeInboundPorts", "65536", `"65536"`, "1 to 65535"},
		"a comma too many":                 {"traffic.sidecar.istio.io/excludeOutboundPorts", "80,", `""`, "1 to 65535"},
		"all ports as an exclusion":        {"traffic.sidecar.istio.io/excludeOutboundPorts", "*", `"*"`, "such as 3306"},
		"an address that is no range":      {"traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.1.2.3", `"10.1.2.3"`, "10.1.2.3/32"},
		"a range in IPv4-mapped IPv6 form": {"traffic.sidecar.istio.io/includeOutboundIPRanges", "::ffff:10.0.0.0/104", `"::ffff:10.0.0.0/104"`, "10.0.0.0/8"},
		"all addresses as an exclusion":    {"traffic.sidecar.istio.io/excludeOutboundIPRanges", "*", `"*"`, "10.0.0.0/8"},
		"an interface that cannot be":      {"traffic.sidecar.istio.io/excludeInterfaces", "a-name-that-is-too-long", `"a-name-that-is-too-long"`, "eth1"},
		"virtual interfaces":               {"traffic.sidecar.istio.io/kubevirtInterfaces", "net1", `"net1"`, "remove the annotation"},
		"virtual interfaces, newer name":   {"istio.io/reroute-virtual-interfaces", "net1", `"net1"`, "remove the annotation"},
		"another mode":                     {"sidecar.istio.io/interceptionMode", "TPROXY", `"TPROXY"`, `"REDIRECT"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := FromAnnotations(map[string]string{tc.annotation: tc.value})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range []string{tc.annotation, tc.wrong, tc.fix} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %q", err, part)
				}
			}
		})
	}
}
