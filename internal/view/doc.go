// Package view answers what applies: which services, virtual services,
// destination rules, gateways and mTLS modes hold for a proxy or a workload,
// what each proxy is, and what is wrong with an object in the light of the
// others. It alone applies visibility, selection and precedence, by Istio's
// rules. All that it knows comes through a mesh.Reader or mesh.Lookup; it has
// no state, no clock and knows no Envoy type.
//
// Guarantees:
//   - what is asked about a proxy is asked as a question with the values that
//     matter to the mesh, and only if the mesh holds something it matters to;
//   - every list that is returned has a defined order.
package view
