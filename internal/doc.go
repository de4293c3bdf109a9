// Package internal holds no code, only the test of the house: who may import
// whom, and how large a file, a function and a signature may be.
package internal
