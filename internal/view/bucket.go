package view

import (
	"maps"
	"slices"
	"strconv"

	"github.com/meshwright/meshwright/internal/mesh"
)

// The kinds of buckets; the function of the same name makes a bucket's key.
const (
	bucketServicesOfHost         mesh.Kind = "ServicesOfHost"
	bucketServicesOfAddress      mesh.Kind = "ServicesOfAddress"
	bucketServicesSelecting      mesh.Kind = "ServicesSelecting"
	bucketPublicHTTP             mesh.Kind = "PublicHTTPServicesOfPort"
	bucketLimitedHTTP            mesh.Kind = "LimitedHTTPServicesOfPort"
	bucketSlicesOfService        mesh.Kind = "SlicesOfService"
	bucketSlicesOfAddress        mesh.Kind = "SlicesOfAddress"
	bucketVirtualServices        mesh.Kind = "VirtualServicesOfHost"
	bucketDestinationRules       mesh.Kind = "DestinationRulesOfHost"
	bucketGateways               mesh.Kind = "Gateways"
	bucketPeerAuthentications    mesh.Kind = "PeerAuthentications"
	bucketPeerAuthenticationsOf  mesh.Kind = "PeerAuthenticationsOfNamespace"
	bucketCredentialsOfName      mesh.Kind = "CredentialsOfName"
	bucketRouters                mesh.Kind = "Routers"
	bucketWorkloadsWithAddresses mesh.Kind = "WorkloadsWithAddresses"
	bucketServices               mesh.Kind = "Services"
	bucketServicesIn             mesh.Kind = "ServicesOfNamespace"
	bucketMeshVirtualServices    mesh.Kind = "VirtualServicesOfMesh"
	bucketMeshVirtualServicesIn  mesh.Kind = "VirtualServicesOfMeshAndNamespace"
	bucketSidecars               mesh.Kind = "Sidecars"
	bucketSidecarsIn             mesh.Kind = "SidecarsOfNamespace"
	bucketDiscoveries            mesh.Kind = "DiscoveriesOfInstall"
)

// ServicesOfHost holds the services with this full name.
func ServicesOfHost(host string) mesh.Key { return mesh.Key{Kind: bucketServicesOfHost, Name: host} }

// ServicesOfAddress holds the services with this cluster IP.
func ServicesOfAddress(ip string) mesh.Key { return mesh.Key{Kind: bucketServicesOfAddress, Name: ip} }

// servicesSelecting holds the services of a namespace that name this label first
// in their selector.
func servicesSelecting(namespace, key, value string) mesh.Key {
	return mesh.Key{Kind: bucketServicesSelecting, Namespace: namespace, Name: key + "=" + value}
}

// publicHTTP and limitedHTTP hold the services with an HTTP port of this number
// that everybody may see, and the others.
func publicHTTP(port int32) mesh.Key {
	return mesh.Key{Kind: bucketPublicHTTP, Name: strconv.Itoa(int(port))}
}

func limitedHTTP(port int32) mesh.Key {
	return mesh.Key{Kind: bucketLimitedHTTP, Name: strconv.Itoa(int(port))}
}

// slicesOfService holds the endpoint slices of a service.
func slicesOfService(namespace, name string) mesh.Key {
	return mesh.Key{Kind: bucketSlicesOfService, Namespace: namespace, Name: name}
}

// slicesOfAddress holds the endpoint slices that have this address.
func slicesOfAddress(ip string) mesh.Key { return mesh.Key{Kind: bucketSlicesOfAddress, Name: ip} }

// virtualServicesOf holds the VirtualServices that name this host literally
// and this gateway (namespace/name, or mesh.MeshGateway).
func virtualServicesOf(gateway, host string) mesh.Key {
	return mesh.Key{Kind: bucketVirtualServices, Namespace: gateway, Name: host}
}

// destinationRulesOf holds the DestinationRules that name this host literally.
func destinationRulesOf(host string) mesh.Key {
	return mesh.Key{Kind: bucketDestinationRules, Name: host}
}

// credentialsOfName holds the credentials with this name, of any namespace.
func credentialsOfName(name string) mesh.Key {
	return mesh.Key{Kind: bucketCredentialsOfName, Name: name}
}

// peerAuthenticationsOf holds those of a namespace.
func peerAuthenticationsOf(namespace string) mesh.Key {
	return mesh.Key{Kind: bucketPeerAuthenticationsOf, Namespace: namespace}
}

// servicesIn, virtualServicesIn and sidecarsIn hold those of a namespace; of
// VirtualServices those for sidecars.
func servicesIn(namespace string) mesh.Key {
	return mesh.Key{Kind: bucketServicesIn, Namespace: namespace}
}

func virtualServicesIn(namespace string) mesh.Key {
	return mesh.Key{Kind: bucketMeshVirtualServicesIn, Namespace: namespace}
}

func sidecarsIn(namespace string) mesh.Key {
	return mesh.Key{Kind: bucketSidecarsIn, Namespace: namespace}
}

// discoveriesOf holds the pods of a namespace that are discovery of an install.
func discoveriesOf(namespace, install string) mesh.Key {
	return mesh.Key{Kind: bucketDiscoveries, Namespace: namespace, Name: install}
}

// Buckets that hold all of something there is little of, or that only
// derivations read.
var (
	allGateways            = mesh.Key{Kind: bucketGateways}
	allPeerAuthentications = mesh.Key{Kind: bucketPeerAuthentications}
	allRouters             = mesh.Key{Kind: bucketRouters}
	allWorkloads           = mesh.Key{Kind: bucketWorkloadsWithAddresses}
	allServices            = mesh.Key{Kind: bucketServices}
	allVirtualServices     = mesh.Key{Kind: bucketMeshVirtualServices}
	allSidecars            = mesh.Key{Kind: bucketSidecars}
)

// Indexes are what a store must keep for this package.
func Indexes() []mesh.Index {
	return []mesh.Index{
		{Of: mesh.KindService, Buckets: serviceBuckets},
		{Of: mesh.KindEndpointSlice, Buckets: sliceBuckets},
		{Of: mesh.KindVirtualService, Buckets: virtualServiceBuckets},
		{Of: mesh.KindDestinationRule, Buckets: func(_ mesh.Key, v mesh.Value) []mesh.Key {
			return []mesh.Key{destinationRulesOf(v.(*mesh.DestinationRule).Host)}
		}},
		{Of: mesh.KindGateway, Buckets: func(mesh.Key, mesh.Value) []mesh.Key { return []mesh.Key{allGateways} }},
		{Of: mesh.KindPeerAuthentication, Buckets: func(k mesh.Key, _ mesh.Value) []mesh.Key {
			return []mesh.Key{allPeerAuthentications, peerAuthenticationsOf(k.Namespace)}
		}},
		{Of: mesh.KindCredential, Buckets: func(k mesh.Key, _ mesh.Value) []mesh.Key {
			return []mesh.Key{credentialsOfName(k.Name)}
		}},
		{Of: mesh.KindWorkload, Buckets: workloadBuckets},
		{Of: mesh.KindSidecar, Buckets: func(k mesh.Key, _ mesh.Value) []mesh.Key {
			return []mesh.Key{allSidecars, sidecarsIn(k.Namespace)}
		}},
	}
}

func serviceBuckets(_ mesh.Key, v mesh.Value) []mesh.Key {
	s := v.(*mesh.Service)
	out := []mesh.Key{ServicesOfHost(s.Hostname), allServices, servicesIn(s.Namespace)}
	for _, ip := range s.Addresses {
		out = append(out, ServicesOfAddress(ip))
	}
	// One label is enough to find the service by: each pod looks under each of
	// its labels and then compares the whole selector.
	if len(s.Selector) > 0 {
		key := slices.Min(slices.Collect(maps.Keys(s.Selector)))
		out = append(out, servicesSelecting(s.Namespace, key, s.Selector[key]))
	}
	public, _ := exported(s.ExportTo, s.Namespace)
	for _, p := range s.Ports {
		switch {
		case !p.Protocol.IsHTTP():
		case public:
			out = append(out, publicHTTP(p.Number))
		default:
			out = append(out, limitedHTTP(p.Number))
		}
	}
	return out
}

func sliceBuckets(_ mesh.Key, v mesh.Value) []mesh.Key {
	s := v.(*mesh.EndpointSlice)
	out := []mesh.Key{slicesOfService(s.Namespace, s.Service)}
	for _, e := range s.Endpoints {
		for _, ip := range e.Addresses {
			out = append(out, slicesOfAddress(ip))
		}
	}
	return out
}

func virtualServiceBuckets(_ mesh.Key, v mesh.Value) []mesh.Key {
	vs := v.(*mesh.VirtualService)
	var out []mesh.Key
	for _, g := range vs.Gateways {
		if g == mesh.MeshGateway {
			out = append(out, allVirtualServices, virtualServicesIn(vs.Namespace))
		}
		for _, h := range vs.Hosts {
			out = append(out, virtualServicesOf(g, h))
		}
	}
	return out
}

func workloadBuckets(_ mesh.Key, v mesh.Value) []mesh.Key {
	w := v.(*mesh.Workload)
	var out []mesh.Key
	if w.Router {
		out = append(out, allRouters)
	}
	if len(w.IPs) > 0 && !w.HostNetwork {
		out = append(out, allWorkloads)
	}
	if w.Labels[labelComponent] == componentDiscovery {
		out = append(out, discoveriesOf(w.Namespace, w.Labels[labelInstall]))
	}
	return out
}
