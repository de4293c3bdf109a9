package redirect

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"

	"github.com/meshwright/meshwright/internal/redirect/capture"
)

// apply writes the rules for the annotations into the pod's namespace.
func (w *world) apply(t *testing.T, annotations map[string]string) []capture.Chain {
	t.Helper()
	c, err := capture.FromAnnotations(annotations)
	if err != nil {
		t.Fatal(err)
	}
	w.in(t, w.pod, func() error { return Apply(c.Rules()) })
	return c.Rules()
}

// connection is one call and who must answer it.
type connection struct {
	from caller
	// fromPeer calls from outside the pod.
	fromPeer bool
	to       string
	// want is who answers and the original destination that it reads; the
	// latter is left out where no rule moved the connection.
	want string
}

// app is the user's process, proxy is Envoy.
var (
	app   = caller{uid: 1000, gid: 1000}
	proxy = caller{uid: capture.ProxyID, gid: capture.ProxyID}
)

func TestEveryConnectionTakesItsRoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, nil)
	for name, tc := range map[string]connection{
		"an outbound call goes to 15001, and the destination can be read there": {
			from: app, to: "192.0.2.7:3306", want: "outbound 192.0.2.7:3306",
		},
		"over IPv6 as well": {
			from: app, to: "[2001:db8::7]:3306", want: "outbound [2001:db8::7]:3306",
		},
		"root in an application is captured as well": {
			to: "192.0.2.7:80", want: "outbound 192.0.2.7:80",
		},
		"what the proxy sends goes out": {
			from: proxy, to: peerIPv4 + ":80", want: "peer",
		},
		"what the proxy sends goes out over IPv6": {
			from: proxy, to: "[" + peerIPv6 + "]:80", want: "peer",
		},
		"the user of the proxy is enough": {
			from: caller{uid: capture.ProxyID, gid: 1000}, to: peerIPv4 + ":80", want: "peer",
		},
		"the group of the proxy is enough": {
			from: caller{uid: 1000, gid: capture.ProxyID}, to: peerIPv4 + ":80", want: "peer",
		},
		"an inbound call goes to 15006": {
			fromPeer: true, to: podIPv4 + ":8080", want: "inbound " + podIPv4 + ":8080",
		},
		"an inbound call over IPv6 goes to 15006": {
			fromPeer: true, to: "[" + podIPv6 + "]:8080", want: "inbound [" + podIPv6 + "]:8080",
		},
		"a probe reaches the agent": {
			fromPeer: true, to: podIPv4 + ":15020", want: "agent",
		},
		"a direct call to the proxy's inbound port shows that port, so the proxy can refuse the loop": {
			fromPeer: true, to: podIPv4 + ":15006", want: "inbound " + podIPv4 + ":15006",
		},
		"the application talks to itself by loopback": {
			from: app, to: "127.0.0.1:8080", want: "app",
		},
		"the application talks to itself by loopback over IPv6": {
			from: app, to: "[::1]:8080", want: "app",
		},
		"the application talks to itself by the pod's address": {
			from: app, to: podIPv4 + ":8080", want: "app",
		},
		"the application called its own service, and the proxy sends the call in like any other": {
			from: proxy, to: podIPv4 + ":8080", want: "inbound " + podIPv4 + ":8080",
		},
		"its own service over IPv6": {
			from: proxy, to: "[" + podIPv6 + "]:8080", want: "inbound [" + podIPv6 + "]:8080",
		},
		"the agent reaches the application by loopback": {
			from: proxy, to: "127.0.0.1:8080", want: "app",
		},
		"the proxy hands inbound traffic to the application without a loop": {
			from: caller{uid: capture.ProxyID, gid: capture.ProxyID, source: "127.0.0.6"}, to: podIPv4 + ":8080", want: "app",
		},
		"the proxy hands inbound traffic over without a loop over IPv6": {
			from: caller{uid: capture.ProxyID, gid: capture.ProxyID, source: "::6"}, to: "[" + podIPv6 + "]:8080", want: "app",
		},
	} {
		t.Run(name, func(t *testing.T) { w.check(t, tc) })
	}
}

func TestAnnotationsAreHonoured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		annotations map[string]string
		connections []connection
	}{
		"an outbound port left out": {
			annotations: map[string]string{"traffic.sidecar.istio.io/excludeOutboundPorts": "3306"},
			connections: []connection{
				{from: app, to: peerIPv4 + ":3306", want: "peer"},
				{from: app, to: "[" + peerIPv6 + "]:3306", want: "peer"},
				{from: app, to: peerIPv4 + ":80", want: "outbound " + peerIPv4 + ":80"},
			},
		},
		"outbound ranges left out, each for its family": {
			annotations: map[string]string{"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.77.0.0/25,fd77::/120"},
			connections: []connection{
				{from: app, to: peerIPv4 + ":80", want: "peer"},
				{from: app, to: "[" + peerIPv6 + "]:80", want: "peer"},
				{from: app, to: "10.77.0.129:80", want: "outbound 10.77.0.129:80"},
				{from: app, to: "[fd77::1:1]:80", want: "outbound [fd77::1:1]:80"},
			},
		},
		"only these outbound ranges, and one port anywhere": {
			annotations: map[string]string{
				"traffic.sidecar.istio.io/includeOutboundIPRanges": "192.0.2.0/24",
				"traffic.sidecar.istio.io/includeOutboundPorts":    "3306",
			},
			connections: []connection{
				{from: app, to: "192.0.2.7:80", want: "outbound 192.0.2.7:80"},
				{from: app, to: peerIPv4 + ":80", want: "peer"},
				{from: app, to: "[" + peerIPv6 + "]:80", want: "peer"},
				{from: app, to: peerIPv4 + ":3306", want: "outbound " + peerIPv4 + ":3306"},
			},
		},
		"an inbound port left out": {
			annotations: map[string]string{"traffic.sidecar.istio.io/excludeInboundPorts": "9000"},
			connections: []connection{
				{fromPeer: true, to: podIPv4 + ":9000", want: "app"},
				{fromPeer: true, to: "[" + podIPv6 + "]:9000", want: "app"},
				{fromPeer: true, to: podIPv4 + ":8080", want: "inbound " + podIPv4 + ":8080"},
			},
		},
		"only this inbound port": {
			annotations: map[string]string{"traffic.sidecar.istio.io/includeInboundPorts": "8080"},
			connections: []connection{
				{fromPeer: true, to: podIPv4 + ":9000", want: "app"},
				{fromPeer: true, to: podIPv4 + ":8080", want: "inbound " + podIPv4 + ":8080"},
			},
		},
		"an interface left out in both directions": {
			annotations: map[string]string{"traffic.sidecar.istio.io/excludeInterfaces": "eth0"},
			connections: []connection{
				{fromPeer: true, to: podIPv4 + ":8080", want: "app"},
				{from: app, to: peerIPv4 + ":80", want: "peer"},
				{from: proxy, to: podIPv4 + ":8080", want: "inbound " + podIPv4 + ":8080"},
			},
		},
		"nothing captured": {
			annotations: map[string]string{
				"traffic.sidecar.istio.io/includeOutboundIPRanges": "",
				"traffic.sidecar.istio.io/includeInboundPorts":     "",
			},
			connections: []connection{
				{fromPeer: true, to: podIPv4 + ":8080", want: "app"},
				{from: app, to: peerIPv4 + ":80", want: "peer"},
			},
		},
	} {
		// One after another: each replaces the rules of the one before.
		t.Run(name, func(t *testing.T) {
			w.apply(t, tc.annotations)
			for _, c := range tc.connections {
				w.check(t, c)
			}
		})
	}
}

func (w *world) check(t *testing.T, c connection) {
	t.Helper()
	ns := w.pod
	if c.fromPeer {
		ns = w.peer
	}
	got := w.dial(t, ns, c.from, c.to)
	if !strings.Contains(c.want, " ") {
		got, _, _ = strings.Cut(got, " ")
	}
	if got != c.want {
		t.Errorf("%s was answered by %q, want %q", c.to, got, c.want)
	}
}

func TestApplyingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	chains := w.apply(t, nil)
	once := w.list(t)
	if want := len(chains[0].Rules) + len(chains[1].Rules); len(once) != want {
		t.Fatalf("%d rules in the kernel, want %d", len(once), want)
	}
	w.apply(t, nil)
	if diff := cmp.Diff(once, w.list(t)); diff != "" {
		t.Error(diff)
	}
}

func TestAPodWithoutIPv6IsCapturedAsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(t, w.pod, func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)
	})
	w.apply(t, nil)
	w.check(t, connection{from: app, to: "192.0.2.7:3306", want: "outbound 192.0.2.7:3306"})
	w.check(t, connection{fromPeer: true, to: podIPv4 + ":8080", want: "inbound " + podIPv4 + ":8080"})
}

func TestRulesThatCannotBeWrittenLeaveTheOldOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, nil)
	before := w.list(t)
	w.in(t, w.pod, func() error {
		if err := Apply([]capture.Chain{{Hook: capture.Output, Rules: []capture.Rule{{Matches: []capture.Match{{Field: 99}}}}}}); err == nil {
			t.Error("an unknown field was written")
		}
		return nil
	})
	if diff := cmp.Diff(before, w.list(t)); diff != "" {
		t.Error(diff)
	}
}

// list is the rules in the kernel, with the chain in front of each.
func (w *world) list(t *testing.T) (rules [][]any) {
	t.Helper()
	w.in(t, w.pod, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		chains, err := conn.ListChains()
		if err != nil {
			return err
		}
		for _, chain := range chains {
			in, err := conn.GetRules(chain.Table, chain)
			if err != nil {
				return err
			}
			for _, rule := range in {
				list := []any{chain.Name}
				for _, e := range rule.Exprs {
					list = append(list, e)
				}
				rules = append(rules, list)
			}
		}
		return nil
	})
	return rules
}
