package translate

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshwright/meshwright/internal/translate/envoy"
	"github.com/meshwright/meshwright/internal/translate/resource"
)

type httpFilter = hcmv3.HttpFilter

// connectionManager has what Istio sets everywhere: paths are normalised,
// WebSocket works, and a silent stream is not cut. Headers that claim
// a client's identity are not trusted.
func connectionManager(prefix string) *hcmv3.HttpConnectionManager {
	return &hcmv3.HttpConnectionManager{
		StatPrefix:                   prefix,
		NormalizePath:                envoy.Bool(true),
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
		StreamIdleTimeout:            envoy.Duration(0),
		UseRemoteAddress:             envoy.Bool(false),
		UpgradeConfigs:               []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		HttpFilters:                  []*httpFilter{envoy.Router()},
	}
}

// setRoutes makes routes come by their own resource. Virtual hosts come one by
// one, so the on-demand filter holds what is early.
func setRoutes(m *hcmv3.HttpConnectionManager, route string) {
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{ConfigSource: envoy.ADS(0), RouteConfigName: route}}
	m.HttpFilters = []*httpFilter{envoy.OnDemand(), envoy.CORS(), envoy.Fault(), envoy.Router()}
}

// outboundHTTP is for what the pod's own application sends. What the
// application says about client certificates is dropped.
func outboundHTTP(prefix, route string) *hcmv3.HttpConnectionManager {
	m := connectionManager(prefix)
	m.ServerHeaderTransformation = hcmv3.HttpConnectionManager_PASS_THROUGH
	setRoutes(m, route)
	return m
}

func routeRefs(route string) []resource.Name {
	return []resource.Name{{Type: resource.Route, Name: route}}
}
