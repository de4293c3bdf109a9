package translate

import (
	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

// Types is the table of resource types, in the order in which they are pushed.
func Types() []resource.Type {
	return []resource.Type{
		{
			URL:       resource.Cluster,
			SpawnFrom: []mesh.Kind{mesh.KindService, mesh.KindWorkload},
			Spawn:     clusterNames,
			Static:    []string{passthroughCluster, blackHoleCluster, inboundPassthroughCluster},
			Scoped:    isOutbound,
			Build:     cluster,
			Wildcard:  true,
		},
		{
			URL:       resource.Endpoints,
			SpawnFrom: []mesh.Kind{mesh.KindService},
			Spawn:     outboundNames,
			Scoped:    isOutbound,
			Build:     endpoints,
		},
		{
			URL:       resource.Secret,
			SpawnFrom: []mesh.Kind{mesh.KindCredential},
			Spawn:     secretNames,
			Build:     secret,
		},
		{
			URL:       resource.Listener,
			SpawnFrom: []mesh.Kind{mesh.KindService, mesh.KindEndpointSlice, mesh.KindWorkload, mesh.KindGateway},
			Spawn:     listenerNames,
			Static:    []string{virtualOutbound, virtualInbound},
			Scoped:    isAddress,
			Build:     listener,
			Wildcard:  true,
		},
		{
			URL:       resource.Route,
			SpawnFrom: []mesh.Kind{mesh.KindService, mesh.KindGateway},
			Spawn:     routeNames,
			Scoped:    always,
			Build:     route,
		},
		{
			URL:       resource.VirtualHost,
			SpawnFrom: []mesh.Kind{mesh.KindService, mesh.KindVirtualService, mesh.KindGateway},
			Spawn:     virtualHostNames,
			Scoped:    always,
			Build:     virtualHost,
			Within:    resource.Route,
		},
	}
}

func isOutbound(name string) bool {
	_, _, _, ok := parseOutbound(name)
	return ok
}

func isAddress(name string) bool {
	_, _, ok := parseListener(name)
	return ok
}

func always(string) bool { return true }
