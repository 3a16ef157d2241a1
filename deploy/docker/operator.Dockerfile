# The image of the operator. Build it from the root of the repository:
#   docker build --file deploy/docker/operator.Dockerfile --tag agent-operator/agent-operator:VERSION .
# BASE is any image with pip and Python 3.11 or newer as `python`. All stages use it, and so the same interpreter.
ARG BASE=base
# The digest of the index of all platforms. It is in a FROM line, because Dependabot does not update ARG lines.
FROM python:3.13-slim@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6 AS base

FROM ${BASE} AS build
WORKDIR /src
COPY locks/build.txt locks/operator.txt ./
# Install only wheels with the hashes of the lock. No code of a package runs during the installation.
RUN python -m pip install --no-cache-dir --disable-pip-version-check \
      --no-deps --only-binary=:all: --require-hashes --requirement build.txt \
 && python -m venv --without-pip /opt/agent \
 && python -m pip --python /opt/agent install --no-cache-dir --disable-pip-version-check \
      --no-deps --only-binary=:all: --require-hashes --requirement operator.txt
COPY pyproject.toml README.md LICENSE ./
COPY crds crds
COPY deploy/kustomize deploy/kustomize
COPY operator operator
COPY agent_runtime agent_runtime
COPY kubeschema kubeschema
# Refuse .pth files, which run code at every start of Python.
RUN python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . ./agent_runtime ./kubeschema \
 && python -m pip --python /opt/agent install --no-deps --no-index dist/*.whl \
 && python -m pip --python /opt/agent check \
 && test -z "$(find /opt/agent -name '*.pth')"

# The root file system of the image: BASE without pip. A later layer only hides the files of earlier layers. So the last
# stage starts from scratch and copies this root file system, and no layer contains pip. Both Dockerfiles have the same
# stage, so a builder runs it once. python:slim has no bytecode of the standard library, and on a read-only root file
# system every start would compile it again.
FROM ${BASE} AS rootfs
RUN find / -xdev \( -path '*-packages/pip*' -o -path '*-packages/setuptools*' -o -path '*-packages/pkg_resources' \
      -o -path '*-packages/wheel*' -o -path '*-packages/*distutils*' -o -path '*/python3*/ensurepip' \
      -o -path '*/python3*/idlelib' -o -path '*/share/python-wheels' -o -path '*/bin/pip*' -o -path '*/bin/idle*' \) \
      -prune -exec rm -rf '{}' + \
 && ! python -m pip --version 2>/dev/null \
 && ! python -m ensurepip --version 2>/dev/null \
 && python -m compileall -q --invalidation-mode unchecked-hash -x '/(site|dist)-packages/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="agent-operator" \
      org.opencontainers.image.description="The controller that turns AgentDeployments into running agents" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/agent/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1
# hadolint ignore=DL3067
COPY --from=rootfs / /
COPY --from=build /opt/agent /opt/agent
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["agent-operator"]
CMD ["run"]
