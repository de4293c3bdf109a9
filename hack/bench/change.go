package main

import (
	"fmt"
)

// change is one object that is there now, or is no more.
type change struct {
	object  object
	deleted bool
}

// step is a kind of change that is measured.
type step struct {
	name string
	// prepare are changes that are made before, and not measured.
	prepare func(m *meshOf, times int) []change
	// make is the i-th change. What is made in earlier steps is still there.
	make func(m *meshOf, i int) []change
}

// fresh is the n-th service that was not there from the start; those that differ
// in n have addresses of their own.
func (m *meshOf) fresh(n int, tcp bool) service {
	s := service{name: fmt.Sprintf("new-%04d", n), namespace: namespaceName(n % m.Namespaces), tcp: tcp, number: m.Services + n}
	for i := range m.Endpoints {
		s.zones = append(s.zones, i%zones)
	}
	return s
}

// freshTCP counts fresh TCP services from here, to keep them apart from others.
const freshTCP = 5000

// both are a Service and its EndpointSlice.
func (m *meshOf) both(s service, deleted bool) []change {
	return []change{{s.service(), deleted}, {m.slice(s), deleted}}
}

// steps are the kinds of change, in the order in which they are measured.
var steps = []step{
	{name: "one endpoint", make: func(m *meshOf, i int) []change {
		slice := m.slice(m.services[i%len(m.services)])
		slice.Endpoints[0].Addresses = []string{address(freshAddresses, i)}
		return []change{{object: slice}}
	}},
	{name: "one VirtualService", make: func(m *meshOf, i int) []change {
		return []change{{object: m.virtualService(i%len(m.routed), 10+i)}}
	}},
	{name: "one Service added", make: func(m *meshOf, i int) []change { return m.both(m.fresh(i, false), false) }},
	{name: "one Service deleted", make: func(m *meshOf, i int) []change { return m.both(m.fresh(i, false), true) }},
	{
		name: "one DestinationRule",
		prepare: func(m *meshOf, times int) (out []change) {
			for i := range min(times, m.Services) {
				out = append(out, change{object: destinationRule(m.services[i], 100)})
			}
			return out
		},
		make: func(m *meshOf, i int) []change {
			return []change{{object: destinationRule(m.services[i%m.Services], 200+i)}}
		},
	},
	{name: "PeerAuthentication for nobody", make: func(m *meshOf, i int) []change {
		return []change{{object: nobodysPolicy(namespaceName(i%m.SidecarNamespaces), i)}}
	}},
	{name: "one TCP Service added", make: func(m *meshOf, i int) []change { return m.both(m.fresh(freshTCP+i, true), false) }},
}
