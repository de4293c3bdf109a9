// Package source is the one place that watches Kubernetes. It keeps no copy of
// any object: what arrives is ingested at once and handed on, and only keys and
// resource versions stay, so that a relist tells what is new and what is gone.
// It knows nothing of proxies or of what becomes of its events.
//
// Guarantees:
//   - nothing is handed on before every initial list is in; the first batch is
//     the whole cluster, and Synced says so after the sink has taken it;
//   - events of one object come in the order of the API server, and the newest
//     stands for those before it that were not handed on yet;
//   - a kind whose CRD is not there is no hindrance: it is taken up when the CRD
//     appears, and its objects are gone when the CRD is;
//   - a restarted watch or a relist hands on only what differs.
package source
