package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	setfilterstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	ondemandv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/on_demand/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	httpstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	httpinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networkstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/proto"
)

// Names of HTTP filters that routes configure.
const (
	FilterALPN  = "envoy.filters.http.set_filter_state"
	FilterCORS  = "envoy.filters.http.cors"
	FilterFault = "envoy.filters.http.fault"
)

// clusterTimeout bounds how long a request waits for a cluster that is not
// there yet.
const clusterTimeout = 5 * time.Second

func httpFilter(name string, m proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: Any(m)}}
}

// Router is the last HTTP filter: it sends the request.
func Router() *hcmv3.HttpFilter {
	return httpFilter("envoy.filters.http.router", &routerv3.Router{})
}

// CORS answers for other origins, and Fault delays and aborts, where a route
// says so.
func CORS() *hcmv3.HttpFilter { return httpFilter(FilterCORS, &corsv3.Cors{}) }

// Fault is described with CORS.
func Fault() *hcmv3.HttpFilter { return httpFilter(FilterFault, &faultv3.HTTPFault{}) }

// OnDemand holds a request whose cluster is on its way, so that no route
// outruns its cluster.
func OnDemand() *hcmv3.HttpFilter {
	return httpFilter("envoy.filters.http.on_demand", &ondemandv3.OnDemand{
		Odcds: &ondemandv3.OnDemandCds{Source: ADS(0), Timeout: Duration(clusterTimeout)},
	})
}

// ALPN makes requests offer these protocols upstream, a comma-separated list,
// whatever the cluster says. It has no effect on plaintext.
func ALPN(list string) *hcmv3.HttpFilter {
	return httpFilter(FilterALPN, &httpstatev3.Config{OnRequestHeaders: []*setfilterstatev3.FilterStateValue{{
		Key:                &setfilterstatev3.FilterStateValue_ObjectKey{ObjectKey: "envoy.network.application_protocols"},
		Value:              &setfilterstatev3.FilterStateValue_FormatString{FormatString: text(list)},
		SharedWithUpstream: setfilterstatev3.FilterStateValue_ONCE,
	}}})
}

// HTTP is the network filter that speaks HTTP.
func HTTP(m *hcmv3.HttpConnectionManager) *listenerv3.Filter {
	return &listenerv3.Filter{
		Name:       "envoy.filters.network.http_connection_manager",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: Any(m)},
	}
}

// TCP is the network filter that passes bytes on.
func TCP(m *tcpproxyv3.TcpProxy) *listenerv3.Filter {
	return &listenerv3.Filter{
		Name:       "envoy.filters.network.tcp_proxy",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: Any(m)},
	}
}

// TCPTo passes bytes on to a cluster.
func TCPTo(cluster string) *listenerv3.Filter {
	return TCP(&tcpproxyv3.TcpProxy{
		StatPrefix:       cluster,
		ClusterSpecifier: &tcpproxyv3.TcpProxy_Cluster{Cluster: cluster},
	})
}

func listenerFilter(name string, m proto.Message) *listenerv3.ListenerFilter {
	return &listenerv3.ListenerFilter{Name: name, ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: Any(m)}}
}

// OriginalDestination restores the address that the client dialled.
func OriginalDestination() *listenerv3.ListenerFilter {
	return listenerFilter("envoy.filters.listener.original_dst", &originaldstv3.OriginalDst{})
}

// TLSInspector tells TLS from plaintext, and reads SNI and ALPN.
func TLSInspector() *listenerv3.ListenerFilter {
	return listenerFilter("envoy.filters.listener.tls_inspector", &tlsinspectorv3.TlsInspector{})
}

// HTTPInspector tells HTTP from other plaintext.
func HTTPInspector() *listenerv3.ListenerFilter {
	return listenerFilter("envoy.filters.listener.http_inspector", &httpinspectorv3.HttpInspector{})
}

// KeepDestination makes a connection inside Envoy remember where its client
// wanted to, for clusters that go there.
func KeepDestination() *listenerv3.Filter {
	return &listenerv3.Filter{
		Name: "envoy.filters.network.set_filter_state",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: Any(&networkstatev3.Config{
			OnNewConnection: []*setfilterstatev3.FilterStateValue{{
				Key:                &setfilterstatev3.FilterStateValue_ObjectKey{ObjectKey: "envoy.network.transport_socket.original_dst_address"},
				Value:              &setfilterstatev3.FilterStateValue_FormatString{FormatString: text("%DOWNSTREAM_LOCAL_ADDRESS%")},
				SharedWithUpstream: setfilterstatev3.FilterStateValue_ONCE,
			}},
		})},
	}
}

func text(format string) *corev3.SubstitutionFormatString {
	return &corev3.SubstitutionFormatString{
		Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: format},
		}},
	}
}
