"""Run a local Kubernetes cluster until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import shlex
import signal
from pathlib import Path

from localkube.cluster import LocalCluster
from localkube.node.images import Image


def main() -> None:
    """Parse the command line and run the cluster."""
    options = _parser().parse_args()
    cluster = LocalCluster(
        images=_images(options),
        state_dir=options.state_dir,
        run_pods=options.pods == "run",
        stand_in=options.pods == "stand-in",
        probe_time_scale=options.probe_time_scale,
    )
    asyncio.run(_serve(cluster, options.kubeconfig))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localkube", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="file to write the kubeconfig to")
    parser.add_argument(
        "--image", type=_image, action="append", default=[], help="NAME-PATTERN=COMMAND to run as the entrypoint"
    )
    parser.add_argument(
        "--image-args",
        type=_image,
        action="append",
        default=[],
        help="NAME-PATTERN=ARGUMENTS: default arguments of the image, with paths in the container",
    )
    parser.add_argument(
        "--image-workdir",
        type=_pair,
        action="append",
        default=[],
        help="NAME-PATTERN=PATH: working directory of the image, a path in the container; default: /",
    )
    parser.add_argument("--state-dir", type=Path, help="directory for pods' files and logs; default: a temporary one")
    parser.add_argument(
        "--pods",
        choices=["run", "stand-in", "pending"],
        default="run",
        help="run pods as processes, report them as Ready without running them, or leave them Pending; default: run",
    )
    parser.add_argument(
        "--probe-time-scale", type=float, default=1.0, help="multiplies the delays and periods of probes"
    )
    return parser


def _images(options: argparse.Namespace) -> dict[str, Image]:
    args, directories = dict(options.image_args), dict(options.image_workdir)
    return {
        pattern: Image(command, args.get(pattern, ()), directories.get(pattern, "/"))
        for pattern, command in options.image
    }


def _pair(text: str) -> tuple[str, str]:
    pattern, separator, value = text.partition("=")
    if not (pattern and separator and value.strip()):
        raise argparse.ArgumentTypeError(f"{text}: not NAME-PATTERN=VALUE")
    return pattern, value


def _image(text: str) -> tuple[str, list[str]]:
    pattern, command = _pair(text)
    return pattern, shlex.split(command)


async def _serve(cluster: LocalCluster, kubeconfig: Path) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopped.set)
    async with cluster:
        cluster.write_kubeconfig(kubeconfig)
        await stopped.wait()


if __name__ == "__main__":
    main()
