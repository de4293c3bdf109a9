package translate

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	networkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/view"
)

// matcher chooses among chains as their matches would, and by the client's
// address where that decides. A change of it closes no connection.
func (cs chains) matcher(sources *view.Sources) *xdsmatcherv3.Matcher {
	byPort := map[string]*xdsmatcherv3.Matcher_OnMatch{}
	for _, c := range cs {
		if c.port != 0 {
			byPort[strconv.Itoa(int(c.port))] = nil
		}
	}
	for port := range byPort {
		byPort[port] = cs.ofPort(port, sources)
	}
	return &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
			Input:    input("destination_port", &networkv3.DestinationPortInput{}),
			TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: byPort}},
		}},
		OnNoMatch: cs.ofPort("0", sources),
	}
}

// ofPort chooses among the chains of one port.
func (cs chains) ofPort(port string, sources *view.Sources) *xdsmatcherv3.Matcher_OnMatch {
	group := slices.DeleteFunc(slices.Clone(cs), func(c chain) bool { return strconv.Itoa(int(c.port)) != port })
	if group.bySource() {
		return then(group.ofSource(sources))
	}
	list := &xdsmatcherv3.Matcher_MatcherList{}
	out := &xdsmatcherv3.Matcher{MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: list}}
	// As in plain matches, one that names an ALPN goes before one that does not.
	slices.SortStableFunc(group, func(a, b chain) int { return len(b.alpn) - len(a.alpn) })
	for _, c := range group {
		if c.transport == "" {
			out.OnNoMatch = pick(c)
			continue
		}
		list.Matchers = append(list.Matchers, &xdsmatcherv3.Matcher_MatcherList_FieldMatcher{Predicate: predicate(c), OnMatch: pick(c)})
	}
	if len(list.GetMatchers()) == 0 {
		return out.GetOnNoMatch()
	}
	return then(out)
}

func predicate(c chain) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	transport := single("transport_protocol", &networkv3.TransportProtocolInput{}, &xdsmatcherv3.StringMatcher{
		MatchPattern: &xdsmatcherv3.StringMatcher_Exact{Exact: c.transport},
	})
	if len(c.alpn) == 0 {
		return transport
	}
	// The input is the client's list, as 'h2','http/1.1'.
	words := make([]string, len(c.alpn))
	for i, w := range c.alpn {
		words[i] = regexp.QuoteMeta(w)
	}
	alpn := single("application_protocol", &networkv3.ApplicationProtocolInput{}, &xdsmatcherv3.StringMatcher{
		MatchPattern: &xdsmatcherv3.StringMatcher_SafeRegex{SafeRegex: &xdsmatcherv3.RegexMatcher{
			EngineType: &xdsmatcherv3.RegexMatcher_GoogleRe2{GoogleRe2: &xdsmatcherv3.RegexMatcher_GoogleRE2{}},
			Regex:      ".*'(" + strings.Join(words, "|") + ")'.*",
		}},
	})
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_AndMatcher{
		AndMatcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_PredicateList{
			Predicate: []*xdsmatcherv3.Matcher_MatcherList_Predicate{transport, alpn},
		},
	}}
}

func single(name string, in proto.Message, value *xdsmatcherv3.StringMatcher) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input:   input(name, in),
			Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: value},
		},
	}}
}

// ofSource chooses by the client's address.
func (cs chains) ofSource(sources *view.Sources) *xdsmatcherv3.Matcher {
	addresses := map[source][]string{meshSource: sources.Meshed, otherSource: sources.Other}
	match := &xdsmatcherv3.IPMatcher{}
	out := &xdsmatcherv3.Matcher{}
	for _, c := range cs {
		if c.source == unknownSource {
			out.OnNoMatch = pick(c)
			continue
		}
		if ranges := exactly(addresses[c.source]); len(ranges) > 0 {
			match.RangeMatchers = append(match.RangeMatchers, &xdsmatcherv3.IPMatcher_IPRangeMatcher{Ranges: ranges, OnMatch: pick(c)})
		}
	}
	if len(match.GetRangeMatchers()) == 0 {
		match.RangeMatchers = []*xdsmatcherv3.IPMatcher_IPRangeMatcher{{
			// A range is required: nobody calls from here.
			Ranges: exactly([]string{"0.0.0.0"}), OnMatch: out.GetOnNoMatch(),
		}}
	}
	out.MatcherType = &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
		Input: input("source_ip", &networkv3.SourceIPInput{}),
		TreeType: &xdsmatcherv3.Matcher_MatcherTree_CustomMatch{
			CustomMatch: &xdscorev3.TypedExtensionConfig{Name: "ip", TypedConfig: envoy.Any(match)},
		},
	}}
	return out
}

// exactly are ranges of one address each.
func exactly(addresses []string) []*xdscorev3.CidrRange {
	var out []*xdscorev3.CidrRange
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); err == nil {
			out = append(out, &xdscorev3.CidrRange{AddressPrefix: a, PrefixLen: wrapperspb.UInt32(uint32(ip.BitLen()))})
		}
	}
	return out
}

func input(name string, m proto.Message) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: name, TypedConfig: envoy.Any(m)}
}

func pick(c chain) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
		Action: input(c.name, wrapperspb.String(c.name)),
	}}
}

func then(m *xdsmatcherv3.Matcher) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Matcher{Matcher: m}}
}
