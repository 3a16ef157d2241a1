"""Check that the installed operator stays alive, ready and of constant size on a cluster without optional APIs.

    make soak ARGS="--minutes 30 --executable /path/to/agent-operator"

The local cluster runs in this process, the operator in its own with an empty environment. Every ten seconds both probes
are sent, and memory (RSS), open files, threads and CPU are read. A table is printed at the end. Exit status: 1 if a
probe failed, the operator exited or it grew: the mean of the last quarter is compared with that of the second.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import aiohttp
import yaml

from agent_operator.kube.transport import APPLY, Transport
from localkube.cluster import LocalCluster

ROOT = Path(__file__).parents[2]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGENTS = "/apis/agent-operator.dev/v1alpha1/namespaces/default/agentdeployments"
LABEL = ("soak", "")
START_SECONDS = 120.0
MOST_FILES = 4
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One sample. `cpu` is the percentage of a core since the last one, `seconds` the time since ready."""

    seconds: float
    alive: str
    ready: str
    mib: float
    files: int
    threads: int
    cpu: float

    @property
    def well(self) -> bool:
        return self.alive == self.ready == "ok"


@dataclass
class Operator:
    """The running operator."""

    process: Process
    port: int
    session: aiohttp.ClientSession

    async def probe(self, path: str) -> str:
        """Return the body of the response, or the error."""
        try:
            url, timeout = f"http://127.0.0.1:{self.port}{path}", aiohttp.ClientTimeout(total=5)
            async with self.session.get(url, timeout=timeout) as answer:
                return (await answer.text()).strip() if answer.status in (200, 503) else str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__

    async def ready(self) -> None:
        """Wait until the operator is ready; RuntimeError when it exits before."""
        async with asyncio.timeout(START_SECONDS):
            while await self.probe("/readyz") != "ok":
                if self.process.returncode is not None:
                    raise RuntimeError(f"the operator ended with {self.process.returncode}")
                await asyncio.sleep(0.5)

    async def sample(self, began: float, spent: float, took: float) -> Sample:
        """Take a sample. `spent` is the CPU time at the last sample, `took` the time since."""
        proc = Path(f"/proc/{self.process.pid}")
        alive, ready = await self.probe("/healthz"), await self.probe("/readyz")
        mib = int((proc / "statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20
        files, threads = len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir()))
        cpu = 100 * (self.cpu() - spent) / took
        return Sample(time.monotonic() - began, alive, ready, mib, files, threads, cpu)

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS


async def install(api: Transport, agents: int) -> None:
    """Install the CRDs, and some agents."""
    params = {"fieldManager": "soak", "force": "true"}
    for file in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))
        path = f"{CRDS}/{crd['metadata']['name']}"
        await api.request("PATCH", path, label=LABEL, params=params, body=crd, content_type=APPLY)
    for number in range(agents):
        await edit(api, f"agent-{number}", 8080)


async def edit(api: Transport, name: str, port: int) -> None:
    """Create an agent, or change its port."""
    spec = {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "service": {"port": port}}
    body = {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name},
        "spec": spec,
    }
    params = {"fieldManager": "soak", "force": "true"}
    await api.request("PATCH", f"{AGENTS}/{name}", label=LABEL, params=params, body=body, content_type=APPLY)


@asynccontextmanager
async def operator(executable: str, kubeconfig: Path, port: int, log: Path) -> AsyncIterator[Operator]:
    """Run the operator in another folder with an empty environment."""
    options = ["--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{port}"]
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            executable, "run", *options, stderr=sink, cwd=log.parent, env={"PATH": "/usr/bin:/bin"}
        )
    async with aiohttp.ClientSession() as session:
        try:
            yield Operator(process, port, session)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def soak(given: argparse.Namespace, folder: Path) -> tuple[list[Sample], list[str]]:
    """Run the operator for this time; return the samples and the faults."""
    kubeconfig, log = folder / "kubeconfig", folder / "operator.log"
    samples: list[Sample] = []
    async with LocalCluster(stand_in=True, state_dir=folder / "state") as cluster:
        cluster.write_kubeconfig(kubeconfig)
        async with Transport(str(kubeconfig), "", lambda *_: None) as api:
            await install(api, given.agents)
            async with operator(given.executable, kubeconfig, given.port, log) as running:
                await running.ready()
                began = looked = time.monotonic()
                spent = running.cpu()
                while time.monotonic() - began < 60 * given.minutes and running.process.returncode is None:
                    if given.busy:
                        await edit(api, "agent-0", 8080 + len(samples) % 2)
                    await asyncio.sleep(given.every)
                    if running.process.returncode is None:
                        samples.append(await running.sample(began, spent, time.monotonic() - looked))
                        looked, spent = time.monotonic(), running.cpu()
                ended = running.process.returncode
    wrong = [f"the operator ended with {ended}"] if ended is not None else []
    wrong += [f"exit status {running.process.returncode} after SIGTERM"] if running.process.returncode else []
    if wrong or not all(sample.well for sample in samples):
        sys.stdout.write(log.read_text(encoding="utf-8")[-4000:])
    return samples, wrong + judge(samples, given.growth)


def judge(samples: Sequence[Sample], growth: float) -> list[str]:
    """Return the faults. `growth` is in MiB."""
    wrong = [f"{s.seconds:.0f} s: /healthz {s.alive!r}, /readyz {s.ready!r}" for s in samples if not s.well]
    quarter = len(samples) // 4
    if not quarter:
        return [*wrong, "too few samples"]
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    grown = mean(s.mib for s in after) - mean(s.mib for s in before)
    if grown > growth:
        wrong.append(f"memory grew by {grown:.1f} MiB, more than {growth:.1f}")
    files = max(s.files for s in after) - max(s.files for s in before)
    if files > MOST_FILES:
        wrong.append(f"open files grew by {files}, more than {MOST_FILES}")
    return wrong


def table(samples: Sequence[Sample], rows: int = 30) -> str:
    """Some samples at even intervals, and always the last."""
    step = max(1, len(samples) // rows)
    shown = [*samples[:-1:step], *samples[-1:]]
    lines = [
        f"{s.seconds:8.0f} {s.alive[:12]:>12} {s.ready[:12]:>12} {s.mib:8.1f} {s.files:6} {s.threads:8} {s.cpu:6.2f}"
        for s in shown
    ]
    return "\n".join([" seconds     /healthz      /readyz  RSS MiB  files  threads  CPU %", *lines, ""])


def main() -> int:
    """Run; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    installed = str(Path(sys.executable).with_name("agent-operator"))
    parser.add_argument("--executable", default=installed, help="the console script to run; default: %(default)s")
    parser.add_argument("--minutes", type=float, default=30, help="default: %(default)s")
    parser.add_argument("--every", type=float, default=10, help="seconds between two samples; default: %(default)s")
    parser.add_argument("--agents", type=int, default=3, help="agents on the cluster; default: %(default)s")
    parser.add_argument("--busy", action="store_true", help="change an agent before each sample")
    parser.add_argument("--port", type=int, default=18080, help="of the probes; default: %(default)s")
    parser.add_argument("--growth", type=float, default=3.0, help="MiB that it may grow by; default: %(default)s")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        samples, wrong = asyncio.run(soak(given, Path(folder)))
    sys.stdout.write(table(samples))
    for line in wrong:
        sys.stdout.write(f"error: {line}\n")
    wellness = sum(sample.well for sample in samples)
    sys.stdout.write(f"{wellness} of {len(samples)} samples well, {len(wrong)} errors\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
