package capture

import (
	"net/netip"
)

// Ports and ids that the rules and the injected containers agree on; all are
// Istio's.
const (
	OutboundPort = 15001
	InboundPort  = 15006
	// ProxyID is the user and group id of the proxy: what it sends is not
	// captured again.
	ProxyID = 1337
)

// ownPorts are served by the agent and the proxy themselves and reach them
// directly: tunnels, metrics and probes, readiness, Prometheus.
var ownPorts = []uint16{15008, 15020, 15021, 15090}

// The addresses that Envoy, and the agent, bind as their source when they hand
// an inbound connection to the application.
var (
	PassOnIPv4 = netip.MustParsePrefix("127.0.0.6/32")
	PassOnIPv6 = netip.MustParsePrefix("::6/128")
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}

// TableName is the name of the one table, of family inet, that holds the rules.
const TableName = "meshwright"

// Field is what a Match looks at.
type Field int

// The fields of a packet that rules look at.
const (
	InInterface Field = iota
	OutInterface
	Source
	Destination
	DestinationPort
	UserID
	GroupID
)

// Match is one condition. Field says which of the values counts. A match on
// Source or Destination holds only for packets of the prefix's family, even
// when Not is set; one on DestinationPort only for TCP.
type Match struct {
	Field     Field
	Not       bool
	Interface string
	Prefix    netip.Prefix
	Number    uint32
}

// Rule applies when all matches hold. RedirectTo is the local port that takes
// over a TCP connection; 0 leaves the connection as it is.
type Rule struct {
	Matches    []Match
	RedirectTo uint16
}

// Hook is the place in the kernel where a chain of rules is asked.
type Hook string

// The hooks of the two chains; each chain is named for its hook.
const (
	Prerouting Hook = "prerouting"
	Output     Hook = "output"
)

// Chain is the rules at one hook, asked in order for the first packet of a
// connection. A packet that no rule redirects goes its way.
type Chain struct {
	Hook  Hook
	Rules []Rule
}

// Rules works out the two chains of a pod.
func (c Capture) Rules() []Chain {
	return []Chain{
		{Hook: Prerouting, Rules: c.inbound()},
		{Hook: Output, Rules: c.outbound()},
	}
}

func (c Capture) inbound() []Rule {
	var rules []Rule
	for _, name := range c.ExcludeInterfaces {
		rules = append(rules, leave(Match{Field: InInterface, Interface: name}))
	}
	for _, port := range append(ownPorts[:len(ownPorts):len(ownPorts)], c.ExcludeInboundPorts...) {
		rules = append(rules, leave(toPort(port)))
	}
	if c.AllInbound {
		return append(rules, Rule{RedirectTo: InboundPort})
	}
	for _, port := range c.IncludeInboundPorts {
		rules = append(rules, Rule{Matches: []Match{toPort(port)}, RedirectTo: InboundPort})
	}
	return rules
}

func (c Capture) outbound() []Rule {
	var rules []Rule
	for _, name := range c.ExcludeInterfaces {
		rules = append(rules, leave(Match{Field: OutInterface, Interface: name}))
	}
	for _, port := range c.ExcludeOutboundPorts {
		rules = append(rules, leave(toPort(port)))
	}
	rules = append(rules, ownTraffic()...)
	for _, prefix := range c.ExcludeOutboundRanges {
		rules = append(rules, leave(Match{Field: Destination, Prefix: prefix}))
	}
	if c.AllOutbound {
		return append(rules, Rule{RedirectTo: OutboundPort})
	}
	for _, port := range c.IncludeOutboundPorts {
		rules = append(rules, Rule{Matches: []Match{toPort(port)}, RedirectTo: OutboundPort})
	}
	for _, prefix := range c.IncludeOutboundRanges {
		rules = append(rules, Rule{Matches: []Match{{Field: Destination, Prefix: prefix}}, RedirectTo: OutboundPort})
	}
	return rules
}

// ownTraffic keeps the proxy's connections, and those within the pod, out of
// the outbound rules.
func ownTraffic() []Rule {
	var rules []Rule
	lo := Match{Field: OutInterface, Interface: "lo"}
	proxy := Match{Field: UserID, Number: ProxyID}
	// Envoy hands inbound traffic to the application: not to be caught again.
	for _, source := range []netip.Prefix{PassOnIPv4, PassOnIPv6} {
		rules = append(rules, leave(lo, Match{Field: Source, Prefix: source}))
	}
	// The application called a service and Envoy chose this very pod: the
	// request must come in like any other, with its policies and its mTLS.
	for _, address := range loopback {
		rules = append(rules, Rule{
			Matches:    []Match{lo, proxy, {Field: Destination, Not: true, Prefix: address}, {Field: DestinationPort, Not: true, Number: 15008}},
			RedirectTo: InboundPort,
		})
	}
	return append(rules,
		// The application talks to itself.
		leave(lo),
		leave(proxy),
		leave(Match{Field: GroupID, Number: ProxyID}),
	)
}

func leave(matches ...Match) Rule { return Rule{Matches: matches} }

func toPort(port uint16) Match { return Match{Field: DestinationPort, Number: uint32(port)} }
