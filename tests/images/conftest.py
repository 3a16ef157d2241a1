"""Images that buildah built, and a cluster next to them: `make e2e-images`.

Only root can mount images and start containers.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import agent_operator
import agent_runtime
from tests.images import volumes
from tests.images.containers import ASSIGNED, Container, Image, User, run, spec

ROOT = Path(__file__).parents[2]
IMAGES = ("operator", "runtime")
POD_NAME = "pod"
USERS = pytest.mark.parametrize("user", [None, ASSIGNED], ids=["declared user", "assigned user"])
Object = dict[str, Any]
FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--images", required=True, help="name of the images under test, with {component} and {version}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print sizes and times. No test asserts them, because they depend on the base image and the machine."""
    terminalreporter.section("images")
    for line in config.stash[FIGURES]:
        terminalreporter.write_line(line)


Figure = Callable[[str], None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Print a figure of the test at the end of the run."""
    return lambda text: request.config.stash[FIGURES].append(f"{request.node.name}: {text}")


def buildah(*arguments: str) -> str:
    """Run buildah; return what it prints."""
    return subprocess.run(["buildah", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """Mount an image."""
    container = buildah("from", "--pull-never", name)
    try:
        config = json.loads(buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
        yield Image(name, Path(buildah("mount", container)), config)
    finally:
        buildah("rm", container)


@pytest.fixture(scope="session")
def images(pytestconfig: pytest.Config) -> Iterator[dict[str, Image]]:
    """Both images, by component."""
    name = str(pytestconfig.getoption("--images"))
    versions = {"operator": agent_operator.__version__, "runtime": agent_runtime.__version__}
    names = {component: name.format(component=component, version=version) for component, version in versions.items()}
    with mounted(names["operator"]) as operator, mounted(names["runtime"]) as runtime:
        yield {"operator": operator, "runtime": runtime}


@pytest.fixture(scope="session")
def default(tmp_path_factory: pytest.TempPathFactory) -> Object:
    """The config.json that runc proposes."""
    folder = tmp_path_factory.mktemp("default")
    subprocess.run(["runc", "spec", "--bundle", folder], check=True)
    found: Object = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return found


Start = Callable[..., Any]


@pytest.fixture
def start(images: dict[str, Image], default: Object, tmp_path: Path) -> Start:
    """Start a pod's container from an image; a context manager."""

    @contextmanager
    def started(
        name: str, pod: Object, objects: list[Object], user: User | None = None, *mounts: volumes.Mount, **env: str
    ) -> Iterator[Container]:
        image, folder = images[name], tmp_path / name
        own = [*volumes.environment(pod["containers"][0], objects, POD_NAME), *(f"{k}={v}" for k, v in env.items())]
        files = folder / "volumes"
        files.mkdir(parents=True)
        config = spec(
            image, pod, own, [*volumes.mounts(pod, objects, files), *mounts], user or image.user(pod), default
        )
        with run(folder / "container", config) as container:
            yield container

    return started


def eventually(description: str, container: Container, check: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first result of `check` that is true; fail with the container's output."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline or not container.running():
            pytest.fail(f"{description}: not within {seconds:g} s\n{container.output()}")
        time.sleep(0.05)
    return found


def ends(container: Container, pod: Object) -> float:
    """Assert that SIGTERM ends a container within its grace period; return the seconds that it took."""
    began = time.monotonic()
    container.signal("TERM")
    assert container.wait(pod.get("terminationGracePeriodSeconds", 30)) == 0, container.output()
    assert "Traceback" not in container.output()
    return time.monotonic() - began


def http(url: str, body: Object | None = None) -> tuple[int, str]:
    """Send a request to a container; return status and text, 0 where nothing listens."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def command(name: str, *arguments: str | Path, stdin: str | None = None) -> list[Object]:
    """Run one of our commands, or kubectl, from this environment; return the objects that it prints as YAML."""
    program = Path(sys.executable).with_name(name)
    done = subprocess.run([program, *arguments], input=stdin, check=True, stdout=subprocess.PIPE, text=True)
    return [obj for obj in yaml.safe_load_all(done.stdout) if obj]


def pod_of(objects: list[Object]) -> Object:
    """Return the pod's spec of the one Deployment."""
    (deployment,) = (obj for obj in objects if obj["kind"] == "Deployment")
    pod: Object = deployment["spec"]["template"]["spec"]
    return pod
