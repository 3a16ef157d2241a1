# The image of the agents' runtime. From the root of the repository:
#   docker build --file deploy/docker/runtime.Dockerfile --tag agent-operator/agent-runtime:VERSION .
# BASE is any image with Python 3.11 or newer as `python`; both stages use it, so that the interpreter is the same.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY locks/build.txt locks/runtime.txt ./
# Wheels of known hashes and nothing else: what is installed is what was locked, and no code of it runs to install it.
RUN python -m pip install --no-cache-dir --disable-pip-version-check \
      --no-deps --only-binary=:all: --require-hashes --requirement build.txt \
 && python -m venv --without-pip /opt/agent \
 && python -m pip --python /opt/agent install --no-cache-dir --disable-pip-version-check \
      --no-deps --only-binary=:all: --require-hashes --requirement runtime.txt
COPY agent_runtime agent_runtime
# A .pth file would be code that runs whenever Python starts; there is no use for one here.
RUN python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist ./agent_runtime \
 && python -m pip --python /opt/agent install --no-deps --no-index dist/*.whl \
 && python -m pip --python /opt/agent check \
 && test -z "$(find /opt/agent -name '*.pth')"

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="agent-runtime" \
      org.opencontainers.image.description="One AI agent, served over HTTP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/agent/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1
COPY --from=build /opt/agent /opt/agent
# Relative paths in /app/config/agent.toml also resolve from here.
WORKDIR /app
USER 1000:1000
EXPOSE 8000 9090
ENTRYPOINT ["agent-runtime"]
CMD ["serve"]
