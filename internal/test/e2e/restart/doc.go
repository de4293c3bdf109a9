// Package restart has end-to-end tests that count: requests go on at a steady
// rate while servers, clients, gateways and the control plane restart, and none
// may be lost. Nothing is annotated, and half of the applications exit at once
// when they are told to end.
package restart
