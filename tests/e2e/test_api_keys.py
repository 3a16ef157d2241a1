"""An agent accepts the API keys of a Secret, and new keys without a restart."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.patience import DEADLINE
from tests.polling import eventually

pytestmark = pytest.mark.kubelet

KEYS = {"apiKeys": {"secretKeyRef": {"name": "callers", "key": "keys"}}}


def callers(*keys: str) -> dict[str, Any]:
    text = "".join(f"{key}\n" for key in keys)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "callers"}, "stringData": {"keys": text}}


def ask(address: str, key: str = "") -> int:
    """Return the status code. The request goes to the pod, because the proxy of the API server removes the key."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    body = json.dumps({"message": "Are you there?"}).encode()
    request = urllib.request.Request(f"http://{address}:8000/api/chat", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_requests_need_an_api_key_and_keys_rotate_without_a_restart(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("keyed", **KEYS))
    missing = kubectl.wait_for_condition("keyed", "SecretsReady", "False", "SecretMissing")
    assert missing["message"].startswith("spec.apiKeys.secretKeyRef.name: Secret ")
    kubectl.apply(callers("one", "two"))
    kubectl.run("wait", "agd/keyed", "--for=condition=Ready", "--timeout=120s")
    (pod,) = kubectl.list("pods", labels="app=keyed")
    address = pod["status"]["podIP"]

    assert [ask(address), ask(address, "wrong"), ask(address, "one"), ask(address, "two")] == [401, 401, 200, 200]

    kubectl.apply(callers("two", "three"))
    eventually("the new key is accepted", lambda: ask(address, "three") == 200)

    assert [ask(address, "one"), ask(address, "two")] == [401, 200]
    (same,) = kubectl.list("pods", labels="app=keyed")
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert [status["restartCount"] for status in same["status"]["containerStatuses"]] == [0]
