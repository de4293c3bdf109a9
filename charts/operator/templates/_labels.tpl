{{- define "operator.labels" -}}
app.kubernetes.io/name: meshwright-operator
app.kubernetes.io/part-of: meshwright
{{- end -}}

{{- define "operator.operandLabels" -}}
app.kubernetes.io/part-of: meshwright
{{- end -}}

{{/* One RoleBinding. Input: dict name, namespace, role (a ClusterRole), account, accountNamespace. */}}
{{- define "operator.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "operator.operandLabels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .role }}
subjects:
- kind: ServiceAccount
  name: {{ .account }}
  namespace: {{ .accountNamespace }}
{{- end -}}

{{- define "operator.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "operator.operandLabels" . | nindent 4 }}
{{- end -}}

{{- define "operator.monitoringLabels" -}}
{{ include "operator.labels" . }}
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
