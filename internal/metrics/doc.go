// Package metrics names the labels and the prefix of Meshwright's own metrics.
// Each package registers its metrics itself, at the Registerer that it is given.
package metrics
