// Package build fills the user's cache with the groups of programs that
// internal/test/assets names. A group is built into a folder beside its place
// and renamed into it, under a lock, so it is there whole or not at all and two
// runs never build it twice.
package build
