"""kubectl, and the AgentDeployments that tests apply with it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml
from tests.e2e.api_reader import reader
from tests.patience import DEADLINE
from tests.polling import eventually

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig and a namespace."""

    kubeconfig: Path
    namespace: str = "default"

    def run(self, *args: str, stdin: Any = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl. `stdin` is text, or an object to be passed as YAML."""
        binary = Path(sys.executable).with_name("kubectl")
        text = stdin if isinstance(stdin, str | None) else yaml.safe_dump(stdin)
        done = subprocess.run(
            [binary, "--kubeconfig", self.kubeconfig, "-n", self.namespace, *args],
            input=text,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(args)}: {done.stderr}")
        return done

    def out(self, *args: str) -> str:
        """Run kubectl and return its output."""
        return self.run(*args).stdout.strip()

    def apply(self, *objects: Object, check: bool = True) -> str:
        """Apply objects; return the output of kubectl, with its errors."""
        text = yaml.safe_dump_all(objects)
        done = self.run("apply", "-f", "-", stdin=text, check=check)
        return done.stdout + done.stderr

    def get(self, kind: str, name: str) -> Object | None:
        """The object, or None."""
        return reader(self.kubeconfig).get(kind, self.namespace, name)

    def list(self, kinds: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """All objects of some kinds, separated by commas, in the namespace."""
        return reader(self.kubeconfig).list(kinds, self.namespace, labels=labels, fields=fields)

    def account(self, name: str, namespace: str, kubeconfig: Path) -> "Kubectl":
        """Kubectl with the rights of a ServiceAccount."""
        config = json.loads(self.out("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        token = self.out("create", "token", name, f"--namespace={namespace}", "--duration=2h")
        config["users"][0]["user"] = {"token": token}
        kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        return Kubectl(kubeconfig, self.namespace)

    def install(self, overlay: str, **renamed: str) -> None:
        """Install an overlay of deploy/ without the operator itself, which runs as a process of the tests."""
        objects = yaml.safe_load_all(self.out("kustomize", str(ROOT / "deploy" / "kustomize" / "overlays" / overlay)))
        text = yaml.safe_dump_all(obj for obj in objects if obj["kind"] not in ("Deployment", "PodDisruptionBudget"))
        for old, new in renamed.items():
            text = text.replace(f": {old.replace('_', '-')}\n", f": {new}\n")
        Kubectl(self.kubeconfig, "").run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def children(self, agent: str) -> dict[tuple[str, str], Object]:
        """Objects with the agent's label by kind and name, without pods and other objects of controllers."""
        kinds = "sa,cm,secret,deploy,svc,ing,hpa,pdb,netpol"
        found = self.list(kinds, labels=f"agent-operator.dev/agent={agent}")
        return {(item["kind"], item["metadata"]["name"]): item for item in found}

    def condition(self, agent: str, kind: str) -> Object:
        """A condition of an agent as {status, reason, message}; empty when it has none."""
        return _condition(self.get("agd", agent) or {}, kind)

    def wait_for_condition(self, agent: str, kind: str, status: str, reason: str, seconds: float = DEADLINE) -> Object:
        """Wait for a condition of the current generation."""

        def look() -> Object | None:
            found = self.get("agd", agent) or {"metadata": {}}
            condition = _condition(found, kind)
            current = condition.get("observedGeneration") == found["metadata"].get("generation")
            return condition if current and (condition["status"], condition["reason"]) == (status, reason) else None

        try:
            return eventually(f"{agent} {kind}={status} {reason}", look, seconds)
        except pytest.fail.Exception:
            pytest.fail(f"{agent}: wanted {kind}={status} {reason}, have {self.get('agd', agent)}")


def _condition(agent: Object, kind: str) -> Object:
    conditions = agent.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def make_agent(name: str = "support", **spec: Any) -> Object:
    """A minimal echo agent, with the fields of `spec`. Several fit on a node with two CPUs."""
    small = {
        "config": {"models": [{"name": "echo", "provider": "echo"}]},
        "replicas": 1,
        "resources": {"requests": {"cpu": "20m"}},
    }
    return {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name},
        "spec": small | spec,
    }
