// Package golden compares what a pure stage made with a file that people
// review. `make golden` (or GOLDEN=1) rewrites the files instead; the diff of a
// commit then shows the change of behaviour as YAML. Only tests import it.
package golden
