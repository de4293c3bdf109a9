package cache

import (
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// Response is one delta response of a push.
type Response struct {
	Type      resource.TypeURL
	Nonce     string
	Resources []*Resource
	Removed   []string
}

// Buffers is the response as a DeltaDiscoveryResponse on the wire, in pieces to
// be written one after the other. The bodies are shared: nobody may write them.
func (r *Response) Buffers() [][]byte {
	out := make([][]byte, 0, len(r.Resources)+1)
	for _, res := range r.Resources {
		out = append(out, res.field)
	}
	tail := appendString(nil, responseType, string(r.Type))
	tail = appendString(tail, responseNonce, r.Nonce)
	for _, name := range r.Removed {
		tail = appendString(tail, responseRemoved, name)
	}
	return append(out, tail)
}

// Size is about what the response takes on the wire.
func (r *Response) Size() int {
	n := len(r.Type) + len(r.Nonce) + 4
	for _, res := range r.Resources {
		n += len(res.field)
	}
	for _, name := range r.Removed {
		n += len(name) + 2
	}
	return n
}

// Push is what one stream writes next: the responses of all types at one state
// of the mesh, in the order in which they must be written.
type Push struct {
	Responses []*Response
}

// Held is a resource that a client has.
type Held struct{ Name, Version string }

// Request is one delta request of a client. Its strings may share memory with
// all of the request: who keeps one clones it.
type Request struct {
	Type        resource.TypeURL
	Subscribe   []string
	Unsubscribe []string
	// Versions is what the client holds already; only in the first request of a
	// type on a stream.
	Versions []Held
	// Nonce is that of the response that this answers, "" for none.
	Nonce string
	// Error is why the response of Nonce was rejected, "" for an ACK.
	Error string
}

// Stream is one connected proxy, as the xDS server sees it.
type Stream interface {
	// Request hands over a request. It blocks while too many of this stream wait.
	Request(*Request)
	// Pushes gives what to write. There is no second push before Written.
	Pushes() <-chan *Push
	// Written reports that the last push is written: the next may come.
	Written()
	// Close ends the stream. It may be called more than once.
	Close()
}
