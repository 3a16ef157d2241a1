"""The images that are shipped, and what is in them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
LOCKS = ROOT / "locks"
# Image -> the distribution that it holds, with the extras.
IMAGES = {"operator": ("agent-operator", frozenset[str]()), "runtime": ("agent-runtime", frozenset({"all"}))}
OURS = {"agent-operator", "agent-runtime", "kubeschema", "localkube"}
PROJECT = {"operator": ROOT / "pyproject.toml", "runtime": ROOT / "agent_runtime" / "pyproject.toml"}
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


def instructions(image: str) -> list[tuple[str, str]]:
    text = (DOCKER / f"{image}.Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


@pytest.mark.parametrize("image", IMAGES)
def test_the_last_stage_starts_from_nothing_and_only_copies(image: str) -> None:
    """No layer contains files that an earlier stage removed, and the stage needs no shell."""
    found = instructions(image)
    last = found[[number for number, (word, _) in enumerate(found) if word == "FROM"][-1] :]
    words = dict(last)

    assert words["FROM"] == "scratch"
    assert not {"RUN", "ADD", "HEALTHCHECK", "VOLUME", "SHELL"} & words.keys()
    assert [rest for word, rest in last if word == "COPY"] == [
        "--from=rootfs / /",
        "--from=build /opt/agent /opt/agent",
    ]
    assert words["USER"] == "1000:1000"
    assert json.loads(words["ENTRYPOINT"]) == [f"agent-{image}"]
    assert json.loads(words["CMD"])[0] in {"run", "serve"}
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in words["LABEL"]


def test_the_runtime_works_in_the_directory_that_holds_its_config() -> None:
    """Relative paths in agent.toml also resolve from there."""
    assert dict(instructions("runtime"))["WORKDIR"] == "/app"


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_image_is_pinned_and_can_be_replaced(image: str) -> None:
    """By --build-arg BASE. Dependabot updates only what a FROM line names."""
    found = instructions(image)

    assert found[0] == ("ARG", "BASE=base")
    pinned, *others = [rest for word, rest in found if word == "FROM"]
    assert re.fullmatch(r"[a-z]+:[0-9][a-z0-9.-]*@sha256:[0-9a-f]{64} AS base", pinned)
    assert others == ["${BASE} AS build", "${BASE} AS rootfs", "scratch"]


def test_both_images_have_the_same_root() -> None:
    """A builder then makes it once, and a node stores it once."""
    roots = set()
    for image in IMAGES:
        text = (DOCKER / f"{image}.Dockerfile").read_text(encoding="utf-8")
        (pinned,) = re.findall(r"^FROM .* AS base$", text, re.MULTILINE)
        roots.add((pinned, text.partition("\n# The root of the image")[2].partition("\nFROM scratch\n")[0]))

    assert len(roots) == 1


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
    """Otherwise: make lock."""
    tested = set(PIN.findall((LOCKS / "dev.txt").read_text(encoding="utf-8")))
    shipped = set(PIN.findall((LOCKS / f"{name}.txt").read_text(encoding="utf-8")))

    assert shipped
    assert shipped <= tested


@pytest.mark.parametrize("image", IMAGES)
def test_images_have_all_that_is_needed_and_nothing_for_development(image: str) -> None:
    """The closure of the extras' requirements, as installed here."""
    shipped = dict(PIN.findall((LOCKS / f"{image}.txt").read_text(encoding="utf-8")))
    needed = set(closure(*IMAGES[image], set()))

    assert needed - OURS <= shipped.keys()
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
    """`make sbom` writes CycloneDX that is valid by its schema."""
    target = tmp_path / "sbom.json"
    locked = LOCKS / f"{image}.txt"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options: list[str | Path] = ["--pyproject", PROJECT[image], "--mc-type", "application", "--output-reproducible"]
    subprocess.run([tool, "requirements", locked, *options, "--output-file", target], check=True, capture_output=True)

    text = target.read_text(encoding="utf-8")
    sbom = json.loads(text)
    assert JsonStrictValidator(SchemaVersion.from_version(sbom["specVersion"])).validate_str(text) is None
    listed = {(part["name"], part["version"]): part["externalReferences"] for part in sbom["components"]}
    assert listed.keys() == set(PIN.findall(locked.read_text(encoding="utf-8")))
    assert all(any(reference.get("hashes") for reference in references) for references in listed.values())
    assert sbom["metadata"]["component"]["name"] == IMAGES[image][0]
