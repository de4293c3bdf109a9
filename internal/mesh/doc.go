// Package mesh is the noun of the house: plain immutable values that say what
// users meant, the keys that name them, and the contract by which they are
// read. Ingest puts values in; view and translate read them through a Reader;
// push keeps the store. The package knows no Kubernetes type, no Envoy type,
// no client and no clock.
//
// Guarantees:
//   - a Value never changes after it was handed to a store, and holds keys or
//     names of other values, never pointers to them;
//   - equal values have equal meaning: putting one again changes nothing;
//   - every list in a value has a defined order, so that the same objects give
//     the same bytes.
package mesh
