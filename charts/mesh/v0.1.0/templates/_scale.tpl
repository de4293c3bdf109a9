{{/* Is a number of pods scaled? Input: replicas. Output: "true" or nothing. */}}
{{- define "mesh.scaled" -}}
{{- if and (hasKey . "max") (gt (int .max) (int .min)) }}true{{ end -}}
{{- end -}}

{{/* The field replicas of a Deployment. What is scaled has none, or the
     operator would write over the autoscaler. Input: replicas. */}}
{{- define "mesh.replicas" -}}
{{- if not (include "mesh.scaled" .) }}
replicas: {{ .min }}
{{- end -}}
{{- end -}}

{{/* What keeps the pods of a component apart, and above others. Input: dict
     "root" $ "component" name "replicas" r. */}}
{{- define "mesh.spread" -}}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if gt (int .replicas.min) 1 }}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "mesh.revisionSelector" $ | nindent 6 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The autoscaler and the disruption budget of a Deployment. Input: dict "root"
     $ "component" name "namespace" ns "name" short "replicas" r. */}}
{{- define "mesh.scale" -}}
{{- $name := printf "meshwright-%s-%s" .name .root.Values.revision }}
{{- if include "mesh.scaled" .replicas }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels: {{- include "mesh.revisionLabels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ .replicas.min }}
  maxReplicas: {{ .replicas.max }}
  metrics:
  - type: Resource
    resource:
      name: cpu
      target: {type: Utilization, averageUtilization: 80}
  behavior:
    # Proxies come back to another pod when one goes: not often.
    scaleDown: {stabilizationWindowSeconds: 600}
{{- end }}
{{- if gt (int .replicas.min) 1 }}
---
# One pod at a time may be drained, and one that is not ready always.
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels: {{- include "mesh.revisionLabels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "mesh.revisionSelector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Rules that lead to the API server and nowhere else, as far as ports tell:
     its address is not known here. */}}
{{- define "mesh.toAPIServer" -}}
- ports:
  {{- range .Values.networkPolicy.apiServerPorts }}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
{{- end -}}
