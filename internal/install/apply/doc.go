// Package apply makes the objects of a plan so, and keeps them so: server-side
// apply as one field manager, an inventory of what was made, removal of what
// the inventory holds and is wanted no more, and the state of what was applied.
// It decides nothing and knows no MeshInstall.
//
// Guarantees: an object that is as it was left costs no request. An object that
// belongs to somebody else is neither changed nor deleted. An object is in the
// inventory before it is created, so a crash at any point leaves nothing that
// nobody remembers.
package apply
