{{/* The name of the objects. It is the same for all releases, because one operator serves a cluster. */}}
{{- define "agent-operator.name" -}}
{{- .Values.fullnameOverride | default "agent-operator" -}}
{{- end }}

{{- define "agent-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "agent-operator.name" .) -}}
{{- end }}

{{- define "agent-operator.leaseName" -}}
{{- .Values.settings.leaseName | default "agent-operator" -}}
{{- end }}

{{- define "agent-operator.selector" -}}
app.kubernetes.io/name: {{ include "agent-operator.name" . | quote }}
{{- end }}

{{- define "agent-operator.labels" -}}
{{ include "agent-operator.selector" . }}
{{ include "agent-operator.releaseLabels" . }}
{{- end }}

{{/* The labels, and more: a list of the root context and a map. */}}
{{- define "agent-operator.labelsWith" -}}
{{- mergeOverwrite (include "agent-operator.labels" (index . 0) | fromYaml) (index . 1) | toYaml -}}
{{- end }}

{{/* Labels of objects that the selector must not select. */}}
{{- define "agent-operator.releaseLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: agent-operator
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* REGISTRY/REPOSITORY:TAG@DIGEST of a dict with registry, repository, tag and digest. */}}
{{- define "agent-operator.imageReference" -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end -}}
{{- end }}

{{- define "agent-operator.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- include "agent-operator.imageReference" (merge (dict "tag" $tag) .Values.image) -}}
{{- end }}

{{- define "agent-operator.runtimeImage" -}}
{{- include "agent-operator.imageReference" (merge (dict "registry" .Values.image.registry) .Values.runtimeImage) -}}
{{- end }}

{{/* The variables of the operator that differ from its defaults, as a YAML map. */}}
{{- define "agent-operator.variables" -}}
{{- $variables := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $text := ternary (join "," $value) (toString $value) (kindIs "slice" $value) -}}
{{- $_ := set $variables (printf "AGENT_OPERATOR_%s" (snakecase $name | upper)) $text -}}
{{- end -}}
{{- end -}}
{{- with .Values.rbac.namespaces -}}
{{- $_ := set $variables "AGENT_OPERATOR_NAMESPACES" (join "," .) -}}
{{- $_ := set $variables "AGENT_OPERATOR_MANAGE_NAMESPACES" "false" -}}
{{- end -}}
{{- if not .Values.admissionPolicies.enabled -}}
{{- if kindIs "invalid" .Values.settings.allowAdoption -}}
{{- $_ := set $variables "AGENT_OPERATOR_ALLOW_ADOPTION" "false" -}}
{{- end -}}
{{- if kindIs "invalid" .Values.settings.manageNamespaces -}}
{{- $_ := set $variables "AGENT_OPERATOR_MANAGE_NAMESPACES" "false" -}}
{{- end -}}
{{- end -}}
{{- $runtime := include "agent-operator.runtimeImage" . -}}
{{- if ne $runtime "agent-operator/agent-runtime" -}}
{{- $_ := set $variables "AGENT_OPERATOR_RUNTIME_IMAGE" $runtime -}}
{{- end -}}
{{- with .Values.runtimeImage.pullSecrets -}}
{{- $_ := set $variables "AGENT_OPERATOR_RUNTIME_IMAGE_PULL_SECRETS" (join "," .) -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end }}
