package xds

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// Field numbers of envoy.service.discovery.v3.DeltaDiscoveryRequest, and of an
// entry of a map.
const (
	requestNode        protowire.Number = 1
	requestType        protowire.Number = 2
	requestSubscribe   protowire.Number = 3
	requestUnsubscribe protowire.Number = 4
	requestVersions    protowire.Number = 5
	requestNonce       protowire.Number = 6
	requestError       protowire.Number = 7

	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2
)

// request is a DeltaDiscoveryRequest as the codec reads it. A proxy that comes
// back names all that it holds, twice: read into messages and maps that costs
// ten times what the engine does with it. Here all strings are parts of one.
type request struct {
	cache.Request
	node *corev3.Node
}

var (
	errWire = errors.New("malformed request")
	errUTF8 = errors.New("a string of the request is not UTF-8")
)

// unmarshal reads a request from the wire. What it does not know it skips, as
// protobuf does.
func (r *request) unmarshal(data mem.BufferSlice) error {
	var b strings.Builder
	b.Grow(data.Len())
	for _, piece := range data {
		b.Write(piece.ReadOnlyData())
	}
	*r = request{}
	rest := b.String()
	for rest != "" {
		number, value, after, err := field(rest)
		if err != nil {
			return err
		}
		rest = after
		r.reserve(number, len(value), len(rest))
		if err := r.set(number, value); err != nil {
			return err
		}
	}
	return nil
}

// maxReserved bounds what is reserved for a list before it is read.
const maxReserved = 16 << 10

// reserve makes room for a list that begins, as if all that is left were like its
// first.
func (r *request) reserve(number protowire.Number, size, left int) {
	n := min(left/(size+2)+1, maxReserved)
	switch {
	case number == requestSubscribe && r.Subscribe == nil:
		r.Subscribe = make([]string, 0, n)
	case number == requestVersions && r.Versions == nil:
		r.Versions = make([]cache.Held, 0, n)
	}
}

// field takes one field off a message; its number is 0 if it is not bytes.
func field(s string) (number protowire.Number, value, rest string, err error) {
	tag, s, ok := varint(s)
	number = protowire.Number(tag >> 3)
	if !ok || tag>>3 > uint64(protowire.MaxValidNumber) || number < protowire.MinValidNumber {
		return 0, "", "", errWire
	}
	size := uint64(0)
	switch kind := protowire.Type(tag & 7); kind {
	case protowire.BytesType:
		size, s, ok = varint(s)
	case protowire.VarintType:
		number = 0
		_, s, ok = varint(s)
	case protowire.Fixed32Type:
		number, size = 0, 4
	case protowire.Fixed64Type:
		number, size = 0, 8
	default:
		ok = false
	}
	if !ok || size > uint64(len(s)) {
		return 0, "", "", errWire
	}
	return number, s[:size], s[size:], nil
}

func varint(s string) (v uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < 10; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, s[i+1:], i < 9 || s[i] <= 1
		}
	}
	return 0, "", false
}

func (r *request) set(number protowire.Number, value string) error {
	switch number {
	case requestNode:
		r.node = &corev3.Node{}
		if err := proto.Unmarshal([]byte(value), r.node); err != nil {
			return fmt.Errorf("read the node: %w", err)
		}
		return nil
	case requestVersions:
		return r.hold(value)
	case requestError:
		var s statuspb.Status
		if err := proto.Unmarshal([]byte(value), &s); err != nil {
			return fmt.Errorf("read the error: %w", err)
		}
		if r.Error = s.GetMessage(); r.Error == "" {
			r.Error = "rejected without a reason"
		}
		return nil
	case requestType, requestSubscribe, requestUnsubscribe, requestNonce:
		if !utf8.ValidString(value) {
			return errUTF8
		}
	}
	switch number {
	case requestType:
		r.Type = resource.TypeURL(value)
	case requestSubscribe:
		r.Subscribe = append(r.Subscribe, value)
	case requestUnsubscribe:
		r.Unsubscribe = append(r.Unsubscribe, value)
	case requestNonce:
		r.Nonce = value
	}
	return nil
}

// hold takes up one entry of the map of versions.
func (r *request) hold(entry string) error {
	var h cache.Held
	for entry != "" {
		number, value, rest, err := field(entry)
		if err != nil {
			return err
		}
		entry = rest
		switch number {
		case entryKey:
			h.Name = value
		case entryValue:
			h.Version = value
		}
	}
	if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Version) {
		return errUTF8
	}
	r.Versions = append(r.Versions, h)
	return nil
}
