package charts

import "embed"

// Files holds the folders mesh/<version> and operator.
//
//go:embed all:mesh all:operator
var Files embed.FS
