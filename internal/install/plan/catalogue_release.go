//go:build !upgrades

package plan

// Carried are the versions that this operator can install.
var Carried = released
