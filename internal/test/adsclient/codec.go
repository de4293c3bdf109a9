package adsclient

import (
	"sync/atomic"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec is gRPC's for protobuf, and counts bytes. One stream uses it: received
// is the size of the response that was unmarshalled last, and belongs to the
// goroutine that reads.
type codec struct {
	encoding.CodecV2
	received int
	sent     atomic.Int64
}

func newCodec() *codec { return &codec{CodecV2: encoding.GetCodecV2(proto.Name)} }

// Marshal implements encoding.CodecV2.
func (c *codec) Marshal(v any) (mem.BufferSlice, error) {
	out, err := c.CodecV2.Marshal(v)
	c.sent.Add(int64(out.Len()))
	return out, err
}

// Unmarshal implements encoding.CodecV2.
func (c *codec) Unmarshal(data mem.BufferSlice, v any) error {
	c.received = data.Len()
	return c.CodecV2.Unmarshal(data, v)
}
