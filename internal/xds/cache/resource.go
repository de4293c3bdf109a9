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
	// fields are the encoded fields of discovery.v3.Resource.
	fields []byte
}

// Encode marshals msg deterministically. Aliases are other names by which it may
// have been asked for; they are not part of the version. The error is that of proto.Marshal,
// which only invalid UTF-8 can cause.
func Encode(t resource.TypeURL, name string, msg proto.Message, aliases ...string) (*Resource, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("marshal %s %s: %w", t, name, err)
	}
	sum := sha256.Sum256(body)
	r := &Resource{Name: name, Version: base64.RawURLEncoding.EncodeToString(sum[:9])}
	any := protowire.SizeTag(anyType) + protowire.SizeBytes(len(t)) + protowire.SizeTag(anyValue) + protowire.SizeBytes(len(body))
	size := any + len(name) + len(r.Version) + 4*protowire.SizeTag(resourceAny) + 3*protowire.SizeVarint(uint64(any))
	b := make([]byte, 0, size)
	b = appendString(b, resourceVersion, r.Version)
	b = protowire.AppendTag(b, resourceAny, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(any))
	b = appendString(b, anyType, string(t))
	b = protowire.AppendTag(b, anyValue, protowire.BytesType)
	b = protowire.AppendBytes(b, body)
	r.fields = appendString(b, resourceName, name)
	for _, a := range aliases {
		r.fields = appendString(r.fields, resourceAliases, a)
	}
	return r, nil
}

// Placeholder is a resource without a body: it tells Envoy that the name, asked
// for on demand, stands for nothing.
func Placeholder(name string) *Resource {
	return &Resource{Name: name, fields: appendString(appendString(nil, resourceName, name), resourceAliases, name)}
}

// Size is the number of bytes that the resource takes in a response, without
// its tag and length.
func (r *Resource) Size() int { return len(r.fields) }

func appendString(b []byte, n protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return protowire.AppendString(b, s)
}
