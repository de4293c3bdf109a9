package cache

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/meshwright/meshwright/internal/translate/resource"
)

// Field numbers of envoy.service.discovery.v3.Resource, of google.protobuf.Any
// and of DeltaDiscoveryResponse.
const (
	resourceVersion protowire.Number = 1
	resourceAny     protowire.Number = 2
	resourceName    protowire.Number = 3
	resourceAliases protowire.Number = 4

	anyType  protowire.Number = 1
	anyValue protowire.Number = 2

	responseResources protowire.Number = 2
	responseType      protowire.Number = 4
	responseNonce     protowire.Number = 5
	responseRemoved   protowire.Number = 6
)

// Resource is one xDS resource, encoded once and shared by every stream that
// sends it. It is immutable.
type Resource struct {
	Name string
	// Version is the hash of the message's bytes: equal bytes, equal version,
	// on every replica of one build. It is only compared with others of the same
	// name; proxies repeat all of them when they come back, so it is short.
	Version string
	// field is the encoded field resources of a DeltaDiscoveryResponse, tag and
	// length included.
	field []byte
}

// Encode marshals msg deterministically. The error is that of proto.Marshal,
// which only invalid UTF-8 can cause.
func Encode(t resource.TypeURL, name string, msg proto.Message) (*Resource, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("marshal %s %s: %w", t, name, err)
	}
	sum := sha256.Sum256(body)
	r := &Resource{Name: name, Version: base64.RawURLEncoding.EncodeToString(sum[:9])}
	message := sizeString(anyType, string(t)) + sizeBytes(anyValue, len(body))
	fields := sizeString(resourceVersion, r.Version) + sizeBytes(resourceAny, message) + sizeString(resourceName, name)
	b := make([]byte, 0, sizeBytes(responseResources, fields))
	b = appendLength(b, responseResources, fields)
	b = appendString(b, resourceVersion, r.Version)
	b = appendLength(b, resourceAny, message)
	b = appendString(b, anyType, string(t))
	b = appendLength(b, anyValue, len(body))
	b = append(b, body...)
	r.field = appendString(b, resourceName, name)
	return r, nil
}

// Placeholder is a resource without a body: it tells Envoy that the name, asked
// for on demand, stands for nothing.
func Placeholder(name string) *Resource {
	b := appendLength(nil, responseResources, sizeString(resourceName, name)+sizeString(resourceAliases, name))
	return &Resource{Name: name, field: appendString(appendString(b, resourceName, name), resourceAliases, name)}
}

// Size is the number of bytes that the resource takes in a response.
func (r *Resource) Size() int { return len(r.field) }

func appendLength(b []byte, n protowire.Number, length int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.BytesType), uint64(length))
}

func appendString(b []byte, n protowire.Number, s string) []byte {
	return append(appendLength(b, n, len(s)), s...)
}

func sizeBytes(n protowire.Number, length int) int {
	return protowire.SizeTag(n) + protowire.SizeBytes(length)
}

func sizeString(n protowire.Number, s string) int { return sizeBytes(n, len(s)) }
