// Package cache is the vocabulary between push and the xDS server: encoded
// resources that all streams share, the requests and pushes of one stream, and
// the sync state of a proxy. It moves bytes and versions and knows neither a
// stream nor what a resource means.
package cache
