package agent_test

// What the ADS server of the tests gives: one cluster for the application, and
// one inbound listener that takes its certificate and validation from the
// agent's socket, as the translation's listeners do.

const appCluster = `{
  "name": "app", "type": "STATIC", "connect_timeout": "1s",
  "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [{"endpoint": {
    "address": {"socket_address": {"address": "127.0.0.1", "port_value": %d}}}}]}]}
}`

const inboundListener = `{
  "name": "inbound", "traffic_direction": "INBOUND",
  "address": {"socket_address": {"address": "127.0.0.1", "port_value": %d}},
  "filter_chains": [{
    "transport_socket": {"name": "tls", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
      "require_client_certificate": true,
      "common_tls_context": {
        "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": {"resource_api_version": "V3", "initial_fetch_timeout": "0s",
          "api_config_source": {"api_type": "GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true, "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}]}}}],
        "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": {"resource_api_version": "V3", "initial_fetch_timeout": "0s",
          "api_config_source": {"api_type": "GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true, "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}]}}}
      }
    }},
    "filters": [{"name": "http", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      "stat_prefix": "inbound", "forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"uri": true},
      "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]}]},
      "http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]
    }}]
  }]
}`
