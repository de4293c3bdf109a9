// Package freeport finds TCP ports of loopback for what tests start, where it must
// be told a port before it listens.
package freeport
