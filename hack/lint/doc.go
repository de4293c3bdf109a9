// Package lint pins golangci-lint: go.mod names it as a tool.
package lint
