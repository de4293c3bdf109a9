package mesh

// Reader is all that a resource function, a spawn function or a derivation can
// see of the mesh. Every call is recorded, look-ups that find nothing included:
// what was read decides when the result is computed anew. A Reader is valid
// only during the call it was given to, and by one goroutine.
type Reader interface {
	// Get returns the stored or derived value of a key, nil if there is none.
	Get(Key) Value
	// List returns the members of an index bucket in Key order. Only the
	// membership is recorded: read the members by Get. The slice is not the
	// caller's to change.
	List(bucket Key) []Key
	// Among asks a question about the proxy: it returns the proxy's value of f
	// if values holds it, else "". Proxies that give equal answers share what is
	// built. values must be sorted and come from the mesh, never from the proxy.
	Among(f Fact, values []string) string
	// Value asks for the raw value of f. Only for facts with few values, such
	// as the proxy's type or its locality: each value becomes a copy of the
	// resource.
	Value(f Fact) string
}

// Lookup is the part of Reader that knows no proxy. Derivations and spawn
// functions see only this.
type Lookup interface {
	Get(Key) Value
	List(bucket Key) []Key
}

// Fact is one property of a proxy that a resource may depend on. Arg is set
// only where the kind of fact has an argument.
type Fact struct {
	Kind FactKind
	// Arg is the label key of FactLabel, the number of FactPort and FactTarget,
	// and the key of FactHolds, else "".
	Arg string
}

// FactKind says which property.
type FactKind string

// The facts that resources may ask for.
const (
	// FactType is ProxySidecar or ProxyRouter.
	FactType FactKind = "type"
	// FactNamespace is the namespace of the proxy's pod.
	FactNamespace FactKind = "namespace"
	// FactLabel is the value of the pod's label Arg; "" if it has none.
	FactLabel FactKind = "label"
	// FactLocality is region/zone/subzone of the proxy's node.
	FactLocality FactKind = "locality"
	// FactServed is the interned set of what the pod serves: its ports as
	// port/protocol, sorted by port and joined by commas.
	FactServed FactKind = "served"
	// FactPort is the protocol of the pod's port Arg, "" if it serves none there.
	FactPort FactKind = "port"
	// FactTarget is the pod's port behind port Arg of its services, "" if no
	// service of the pod has such a port.
	FactTarget FactKind = "target"
	// FactServiceAccount is the ServiceAccount that the proxy proved.
	FactServiceAccount FactKind = "serviceAccount"
	// FactScope is the name of the Scope that limits what the proxy holds, "" for
	// none. No resource asks for it: what is out of scope is not built otherwise,
	// it is not sent.
	FactScope FactKind = "scope"
	// FactHolds is "yes" where the stored key Arg is in the proxy's scope. It is
	// asked only where a resource of two keys must choose.
	FactHolds FactKind = "holds"
	// FactOutbound is the OutboundPolicy of the proxy's Sidecar, "" if none has one.
	FactOutbound FactKind = "outbound"
)

// Values of FactType.
const (
	ProxySidecar = "sidecar"
	ProxyRouter  = "router"
)

// Proxy is one connected Envoy, as far as its identity was proved or, on the
// plaintext development address, claimed.
type Proxy struct {
	// ID is the node id: type~ip~pod.namespace~domain.
	ID             string
	Type           string // ProxySidecar or ProxyRouter
	IP             string
	Namespace      string
	Pod            string
	ServiceAccount string
	// Revision is the mesh's that gave it to the pod, "" if it is not known. No
	// resource depends on it.
	Revision string
	// Labels and Locality are believed only if the proxy has no Workload in the
	// store and came by the development address; nil and "" otherwise.
	Labels   map[string]string
	Locality string
}

// Facts is what a proxy is. Implementations are immutable.
type Facts interface {
	Fact(Fact) string
}

// Index computes, for one stored value, the buckets that it is a member of. It
// must be pure: the store calls it on the old and the new value.
type Index struct {
	Of      Kind
	Buckets func(Key, Value) []Key
}

// Derivation computes a value of kind Kind from others, without any proxy. The
// engine keeps it up to date by its recorded reads and stops a change where
// the derived value stays equal. A derivation may read derived kinds that are
// listed before its own.
type Derivation struct {
	Kind Kind
	// For names the derived keys that a stored key gives rise to; they are
	// computed without being asked for. nil: computed when first read.
	For func(Key) []Key
	// Compute returns nil for "no such value".
	Compute func(Lookup, Key) Value
}

// FactsOf computes a proxy's facts; it is kept up to date like a derivation, so
// that labels of a live pod may change.
type FactsOf func(Lookup, Proxy) Facts
