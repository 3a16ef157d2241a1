{{/* What values.schema.json cannot check, because it depends on several values or on the cluster. */}}
{{- define "agent-operator.checks" -}}
{{- $electing := not (eq (toString .Values.settings.leaderElection) "false") -}}
{{- if and (gt (int .Values.replicas) 1) (not $electing) -}}
{{- fail "settings.leaderElection: false allows one replica only: set replicas to 1, or remove settings.leaderElection" -}}
{{- end -}}
{{- if and .Values.admissionPolicies.enabled (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "admissionPolicies.enabled: Kubernetes %s does not serve ValidatingAdmissionPolicy v1, which needs 1.30: upgrade the cluster, or set admissionPolicies.enabled to false after you have read \"Before Kubernetes 1.30\" in the installation guide" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if not .Values.admissionPolicies.enabled -}}
{{- range $name := list "confineOperator" "requireAPIKeys" -}}
{{- if index $.Values.admissionPolicies $name -}}
{{- fail (printf "admissionPolicies.%s: it needs admissionPolicies.enabled: set both to true, or remove it" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.admissionPolicies.confineOperator .Values.settings.allowUnsafePodTemplates -}}
{{- fail "admissionPolicies.confineOperator: it rejects the pods that settings.allowUnsafePodTemplates allows: set one of both to false" -}}
{{- end -}}
{{- if and .Values.rbac.namespaces .Values.settings.manageNamespaces -}}
{{- fail "settings.manageNamespaces: with rbac.namespaces, the operator has no right to create namespaces: remove one of both" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.name: with serviceAccount.create=false, set it to the name of an existing ServiceAccount" -}}
{{- end -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- if and $budget.enabled (eq (kindIs "invalid" $budget.maxUnavailable) (kindIs "invalid" $budget.minAvailable)) -}}
{{- fail "podDisruptionBudget: set exactly one of maxUnavailable and minAvailable, and the other one to null" -}}
{{- end -}}
{{- if hasKey .Values.podLabels "app.kubernetes.io/name" -}}
{{- fail "podLabels: app.kubernetes.io/name selects the pods of the operator: remove it, or set fullnameOverride" -}}
{{- end -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- if hasKey $.Values.commonLabels $label -}}
{{- fail (printf "commonLabels: the chart sets %s: remove it" $label) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "AGENT_OPERATOR_" .name -}}
{{- fail (printf "extraEnv: %s is an option of the operator: use the value below settings, image, runtimeImage or rbac instead" .name) -}}
{{- end -}}
{{- end -}}
{{- end }}
