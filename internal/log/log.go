package log

import (
	"io"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Keys of log lines, as Kubernetes writes them: lowerCamelCase, and objects by
// their kind with namespace/name.
const (
	// Proxy is the node id of a connected Envoy.
	Proxy = "proxy"
	// TypeURL, Resource and Version are of xDS.
	TypeURL  = "typeURL"
	Resource = "resource"
	Version  = "version"
	Nonce    = "nonce"
	// Count is how many, Took how long.
	Count = "count"
	Took  = "took"
	// Kind, Object, Field, Reason, Message and Generation are of a Problem.
	Kind       = "kind"
	Object     = "object"
	Field      = "field"
	Reason     = "reason"
	Message    = "message"
	Generation = "generation"
	// SPIFFEID is who was proved.
	SPIFFEID = "spiffeID"
	Revision = "revision"
	Address  = "address"
)

// Options say what New writes.
type Options struct {
	// Level is 0 for what changed, 1 for each proxy and push, 2 for each resource.
	Level int
	// JSON lines for machines; else text for people.
	JSON bool
	// To is where lines go; nil is standard error.
	To io.Writer
}

// New returns a logger. Errors carry no stack traces: they say by themselves
// where they come from.
func New(o Options) logr.Logger {
	encoder := zap.ConsoleEncoder(encoding)
	if o.JSON {
		encoder = zap.JSONEncoder(encoding)
	}
	options := []zap.Opts{
		encoder,
		zap.Level(zapcore.Level(-o.Level)), //nolint:gosec // a handful of levels
		zap.StacktraceLevel(zapcore.PanicLevel),
	}
	if o.To != nil {
		options = append(options, zap.WriteTo(o.To))
	}
	return zap.New(options...)
}

func encoding(c *zapcore.EncoderConfig) { c.EncodeTime = zapcore.RFC3339NanoTimeEncoder }
