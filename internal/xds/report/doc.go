// Package report is what discovery tells about its proxies: where it is asked,
// what it answers, and how to ask.
package report
