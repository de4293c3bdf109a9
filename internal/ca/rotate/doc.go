// Package rotate knows time: it says when a certificate is due for renewal and
// renews the control plane's own. In come the authorities and a clock, out
// comes a certificate for each TLS handshake. It writes nothing anywhere and
// knows no Kubernetes.
package rotate
