// Package redirect writes the capture rules of a pod into the kernel: one
// nftables table of family inet in the network namespace that it runs in,
// over netlink, without any binary. Rules come in from package capture; the
// table is replaced in one transaction, so there is never half of it. It needs
// CAP_NET_ADMIN in that namespace and a kernel of 5.2 or newer.
package redirect
