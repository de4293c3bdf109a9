// Package probe carries out kubelet's probes of the application: in comes the
// injector's list of probers and a request from kubelet, out comes the
// application's answer as a status. It runs inside the pod, so it works under
// strict mTLS, where kubelet itself would be refused.
package probe
