"""`agentctl install generate`: the manifests that install the operator."""

import os
import tempfile
from pathlib import Path

import yaml

from agentctl.cluster.kubectl import Kubectl
from agentctl.formats import Crds, Format
from agentctl.offline import install_files, installation
from agentctl.offline.installation import Options
from agentctl.ui import output


def generate(options: Options, crds: Crds, form: Format) -> None:
    """Print the manifests.

    Raises:
        UsageError: the options do not fit.
        CommandError: kubectl is missing.
    """
    options.check()
    texts = [] if crds is Crds.WITHOUT else [Kubectl().run("kustomize", str(install_files.crds()))]
    if crds is not Crds.ONLY:
        texts.append(_built(options))
    text = "---\n".join(texts)
    if form is Format.JSON:
        objects = [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]
        text = output.objects_text(objects, form)
    output.write(text)


def _built(options: Options) -> str:
    with tempfile.TemporaryDirectory() as folder:
        # kustomize accepts only relative paths, and follows no symbolic links to compute them.
        root = Path(folder).resolve()
        source = os.path.relpath(install_files.kustomize().resolve(), root)
        for name, kustomization in installation.files(options, source).items():
            target = root / name
            target.mkdir(exist_ok=True)
            (target / "kustomization.yaml").write_text(output.yaml_text(kustomization), encoding="utf-8")
        return Kubectl().run("kustomize", str(root))
