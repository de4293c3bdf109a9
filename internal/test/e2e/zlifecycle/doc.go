// Package zlifecycle tests the life of a mesh end to end, with the operator on
// a real node: input that cannot be met, drift, changes of profile and
// configuration, the loss of a leader, rest, rights, removal. It sorts last
// because it takes the mesh away that other packages use.
package zlifecycle
