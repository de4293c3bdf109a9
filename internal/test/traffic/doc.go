// Package traffic runs cases of traffic: objects go into the real engine,
// requests through real Envoys behind the rules of capture, and what arrives
// where is compared with what the case says. There is no node: pods are network
// namespaces. All cases of a world share its pods and proxies, each with hosts
// of its own, so hundreds of them cost seconds.
package traffic
