{{/* What the webhooks have in common. */}}
{{- define "mesh.webhook" -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    name: meshwright-injector-{{ .Values.revision }}
    namespace: {{ .Values.namespace }}
    path: /inject
    port: 443
rules:
- operations: [CREATE]
  apiGroups: [""]
  apiVersions: [v1]
  resources: [pods]
  scope: Namespaced
sideEffects: None
failurePolicy: Fail
reinvocationPolicy: Never
timeoutSeconds: 10
{{- end -}}

{{/* Namespaces without which a cluster or a mesh does not start. */}}
{{- define "mesh.notInjected" -}}
- {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-node-lease, kube-public, kube-system, {{ .Values.namespace }}]}
{{- end -}}

{{/* Of the others, those that belong to the mesh. */}}
{{- define "mesh.injected" -}}
{{ include "mesh.notInjected" . }}
{{- range .Values.scope }}
- {{ toJson . }}
{{- end }}
{{- end -}}
