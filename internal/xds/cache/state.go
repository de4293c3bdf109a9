package cache

import "time"

// ProxyState is how far one connected proxy is, for people and gates.
type ProxyState struct {
	ID             string    `json:"id"`
	Type           string    `json:"type"`
	Namespace      string    `json:"namespace"`
	Pod            string    `json:"pod"`
	ServiceAccount string    `json:"serviceAccount,omitempty"`
	Connected      time.Time `json:"connected"`
	// InSync: everything that was built for it is sent and acknowledged, and
	// nothing is rejected.
	InSync bool        `json:"inSync"`
	Types  []TypeState `json:"types"`
	// AckTimes are how long the proxy took for the last answers, from when a
	// response was handed over, in nanoseconds.
	AckTimes []time.Duration `json:"ackTimes,omitempty"`
}

// TypeState is the state of one resource type on a stream.
type TypeState struct {
	Type string `json:"type"`
	// Class names the set of proxies that share this list.
	Class string `json:"class"`
	// Resources is how many the proxy has or is to have.
	Resources int `json:"resources"`
	// Sent and Acked are the nonces of the last response that was written and
	// of the last that was accepted.
	Sent  string `json:"sent,omitempty"`
	Acked string `json:"acked,omitempty"`
	// Pending is how many resources wait to be sent, Unacked how many responses
	// wait for an answer.
	Pending int `json:"pending,omitempty"`
	Unacked int `json:"unacked,omitempty"`
	// UnackedSince is when the oldest response without an answer was handed over;
	// zero if there is none.
	UnackedSince time.Time   `json:"unackedSince,omitzero"`
	Nacks        int         `json:"nacks,omitempty"`
	Rejected     []Rejection `json:"rejected,omitempty"`
}

// Rejection is one resource whose current bytes the proxy refused.
type Rejection struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Error   string `json:"error"`
}
