package mesh

import "reflect"

// Config is what the whole mesh agrees on: one value, at ConfigKey.
type Config struct {
	// TrustDomain is the SPIFFE trust domain of every workload.
	TrustDomain string
	// ClusterID is this member cluster's name, ClusterDomain its DNS suffix.
	ClusterID     string
	ClusterDomain string
	// RootNamespace holds mesh-wide policies.
	RootNamespace string
	// MTLS holds where no PeerAuthentication says otherwise.
	MTLS MTLSMode
	// OutboundAllowAny lets unknown destinations pass; else they are refused.
	OutboundAllowAny bool
}

// ConfigKey is where the one Config is stored.
var ConfigKey = Key{Kind: KindConfig, Name: "mesh"}

// Equal implements Value.
func (c *Config) Equal(o Value) bool { return reflect.DeepEqual(Value(c), o) }

// MTLSMode says what an inbound port accepts.
type MTLSMode string

// The modes; Unset means that the next wider policy decides.
const (
	MTLSUnset      MTLSMode = ""
	MTLSDisable    MTLSMode = "Disable"
	MTLSPermissive MTLSMode = "Permissive"
	MTLSStrict     MTLSMode = "Strict"
)
