// Package istio turns objects of Istio's API into mesh values. Each object is
// taken from its JSON form, checked against the API's own schema with the path
// of every fault, validated as Istio's admission webhook does, and read. What
// this version does not serve is named, never dropped in silence.
//
// Guarantees:
//   - an object is refused as a whole or served: nothing that Envoy would reject
//     gets through;
//   - every field of a served kind is in the table of served fields, or a
//     Problem names it where it is set;
//   - a condition that is not served never makes a rule apply to more requests:
//     the rule is left out instead.
package istio
