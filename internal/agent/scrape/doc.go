// Package scrape merges metrics: in come Envoy's and, where the pod says that
// there are any, the application's, out comes one Prometheus text. It keeps
// nothing and changes no name.
package scrape
