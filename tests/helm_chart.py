"""The objects that the Helm chart renders."""

import json
import subprocess
from pathlib import Path
from typing import Any

from agent_operator.codegen import rbac
from tests import fast_yaml as yaml
from tests import helm_program as helm

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "agent-operator"
NAMESPACE = rbac.NAMESPACE
Object = dict[str, Any]
Values = dict[str, Any]
WITHOUT_POLICIES = {"admissionPolicies": {"enabled": False}}
# Every value that is not a default, so that every line of the templates is rendered.
EVERYTHING: Values = {
    "fullnameOverride": "ai-agents",
    "commonLabels": {"team": "platform"},
    "crds": {"keep": False},
    "replicas": 3,
    "image": {
        "registry": "registry.example.com:5000/acme/",
        "repository": "mirror/operator",
        "tag": "1.2.3",
        "digest": "sha256:" + "0" * 64,
        "pullPolicy": "Always",
    },
    "imagePullSecrets": ["registry"],
    "runtimeImage": {"tag": "0.2.0", "pullSecrets": ["registry", "other"]},
    "settings": {
        "workers": 16,
        "resync": 1200,
        "refsRefresh": 4.5,
        "healthRefresh": 1000000,
        "allowAdoption": False,
        "manageNamespaces": False,
        "allowUnsafePodTemplates": True,
        "setPodUser": False,
        "leaderElection": True,
        "leaseName": "lease",
        "leaseNamespace": "leases",
        "dnsResolvers": ["kube-system/k8s-app=kube-dns", "10.0.0.0/8"],
        "fqdnPolicies": True,
        "readOnly": True,
        "logFormat": "text",
        "logLevel": "DEBUG",
    },
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/ca"}],
    "serviceAccount": {"name": "operator", "annotations": {"example.com/role": "operator"}},
    "podDisruptionBudget": {"minAvailable": "50%", "maxUnavailable": None},
    "networkPolicy": {
        "metricsFrom": [{"podSelector": {}}],
        "dnsTo": [{"ipBlock": {"cidr": "10.0.0.10/32"}}],
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [443]},
        "extraIngress": [{"from": [{"podSelector": {}}]}],
        "extraEgress": [{"ports": [{"port": 3128}]}],
    },
    "monitoring": {
        "serviceMonitor": {
            "enabled": True,
            "interval": "30s",
            "scrapeTimeout": "10s",
            "labels": {"release": "prometheus"},
            "relabelings": [{"action": "labelmap"}],
            "metricRelabelings": [{"action": "labeldrop", "regex": "x"}],
        },
        "prometheusRule": {"enabled": True, "labels": {"team": "on-call"}},
        "dashboards": {"enabled": True, "labels": {"grafana": "yes"}, "annotations": {"folder": "AI"}},
    },
    "resources": {"limits": {"memory": "1Gi"}},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "deploymentAnnotations": {"a": "1"},
    "podAnnotations": {"b": "2"},
    "podLabels": {"c": "3"},
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-object"}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text'}",
    ],
}


def template(values: Values, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `helm template`. JSON quotes every string, unlike PyYAML, which knows fewer numbers than Helm."""
    arguments = ["--namespace", NAMESPACE, "--values", "-", *options]
    return helm.run("template", "ours", CHART, *arguments, stdin=json.dumps(values), check=check)


def rendered(values: Values, *options: str, crds: bool = False) -> list[Object]:
    """The objects. The CRDs are large, so they are left out where they do not matter."""
    text = template(values, "--skip-tests", *([] if crds else ["--set", "crds.enabled=false"]), *options).stdout
    return [obj for obj in yaml.safe_load_all(text) if obj]


def one(objects: list[Object], kind: str) -> Object:
    (found,) = (obj for obj in objects if obj["kind"] == kind)
    return found


def environment(objects: list[Object]) -> dict[str, str]:
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}
