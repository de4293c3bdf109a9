// Package version knows which build this is. It imports nothing of ours.
package version
