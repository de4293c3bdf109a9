{{/* Labels of every object. Input: dict "root" $ "component" name. */}}
{{- define "mesh.labels" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/part-of: meshwright
app.kubernetes.io/managed-by: meshwright-operator
meshwright.io/install: {{ .root.Values.install }}
meshwright.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object of one revision. */}}
{{- define "mesh.revisionLabels" -}}
{{ include "mesh.labels" . }}
meshwright.io/revision: {{ .root.Values.revision }}
{{- end -}}

{{/* What selects the pods of one component of one revision. */}}
{{- define "mesh.revisionSelector" -}}
meshwright.io/component: {{ .component }}
meshwright.io/revision: {{ .root.Values.revision }}
{{- end -}}

{{/* Labels of pods. Our own pods are never injected, whatever the namespace says. */}}
{{- define "mesh.podLabels" -}}
{{ include "mesh.revisionLabels" . }}
sidecar.istio.io/inject: "false"
{{- end -}}

{{/* The image says as whom it runs, so that a platform may choose another. */}}
{{- define "mesh.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "mesh.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "mesh.containerImage" -}}
image: {{ .Values.image }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
{{- end -}}

{{- define "mesh.discoveryAddress" -}}
meshwright-discovery-{{ .Values.revision }}.{{ .Values.namespace }}.svc:15012
{{- end -}}

{{/* A gateway with its defaults. Input: dict "root" $ "gateway" g. Output: YAML. */}}
{{- define "mesh.gateway" -}}
{{- $kind := .gateway.kind -}}
{{- $type := ternary "LoadBalancer" "ClusterIP" (eq $kind "Ingress") -}}
{{- $ports := list (dict "name" "http2" "port" 80 "targetPort" 8080) (dict "name" "https" "port" 443 "targetPort" 8443) -}}
{{- $service := dict "type" $type "ports" $ports -}}
{{- $defaults := dict "replicas" .root.Values.gatewayDefaults.replicas "resources" .root.Values.gatewayDefaults.resources "service" $service -}}
{{- $g := mergeOverwrite (deepCopy $defaults) (deepCopy .gateway) -}}
{{- if hasKey .gateway "resources" }}{{ $_ := set $g "resources" .gateway.resources }}{{ end -}}
{{- toYaml $g -}}
{{- end -}}

{{/* Istio's labels of a gateway, which Gateway objects select. */}}
{{- define "mesh.gatewaySelector" -}}
app: istio-{{ .gateway.name }}gateway
istio: {{ .gateway.name }}gateway
meshwright.io/install: {{ .root.Values.install }}
{{- end -}}
