// Package ads serves a fixed set of resources to a real Envoy by delta ADS, and
// the workload's certificate by SDS, on loopback. It is for tests of what
// resources mean to Envoy; how they change is for the real server's tests.
package ads
