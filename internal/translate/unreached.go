package translate

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// unreachedHeader marks an answer that the server's own proxy gave because it
// could not connect to the application, as when that has ended and its proxy has
// not yet. The request provably never got there, so the caller's proxy sends it
// to another endpoint, whatever its method. The caller itself never sees it.
const unreachedHeader = "x-meshwright-unreached"

// markUnreached makes inbound answers carry the mark. UF is Envoy's flag for a
// connection that could not be made.
func markUnreached(m *hcmv3.HttpConnectionManager) {
	m.LocalReplyConfig = &hcmv3.LocalReplyConfig{Mappers: []*hcmv3.ResponseMapper{{
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
			ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: []string{"UF"}},
		}},
		HeadersToAdd: []*corev3.HeaderValueOption{{
			Header:       &corev3.HeaderValue{Key: unreachedHeader, Value: "1"},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}},
	}}}
}

// retryUnreached adds the mark to what is retried.
func retryUnreached(p *routev3.RetryPolicy) *routev3.RetryPolicy {
	p.RetryOn += ",retriable-headers"
	p.RetriableHeaders = []*routev3.HeaderMatcher{{
		Name:                 unreachedHeader,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
	}}
	return p
}
