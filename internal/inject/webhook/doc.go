// Package webhook is the injector: it answers the API server's admission
// requests with the patch that package inject works out, and keeps its own
// certificate and the caBundle of its MutatingWebhookConfiguration. Nothing in
// here decides what a pod gets.
//
// Several replicas, and several revisions, share one authority in the Secret
// meshwright-injector-cert; each process signs its own serving certificate with
// it. An authority is in the caBundle before anything that it signed is served.
//
// It needs these rights, and no others:
//
//	get, update            Secret meshwright-injector-cert, in the mesh's namespace
//	create                 Secrets, in the mesh's namespace (a name cannot be asked for)
//	get, list, watch       ConfigMap meshwright-ca-root, in the mesh's namespace
//	get, list, watch, patch  MutatingWebhookConfiguration, its own by name
package webhook
