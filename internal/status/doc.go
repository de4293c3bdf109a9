// Package status tells users, on their own objects, what the mesh makes of
// them: Problems of the object itself and Problems in the light of the others
// become entries of status.conditions. Nothing else of an object is written, and
// nothing comes back from here into the mesh.
//
// Guarantees:
//   - one writer in the mesh, elected by a Lease: conditions are an atomic list,
//     and two revisions would fight over it;
//   - an object is written only when what we would say differs from what is
//     there; in a steady state nothing is;
//   - entries of other writers stay as they are.
package status
