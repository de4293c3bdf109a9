// Package bundlecheck judges an OLM bundle by the rules of its catalogues, one
// small function for each. In: the files of a bundle, and what they must agree
// with. Out: findings, of which errors keep a bundle out of a catalogue and
// warnings are remarked on. It knows nothing of how a bundle is made.
package bundlecheck
