# docker-compose.yml's own images; it gives the arguments, from configs/versions.yaml. Not the worker's image on AWS, which
# `telemetry up` makes itself of the same packages (configs/worker_packages.txt).
ARG BUSYBOX_IMAGE
ARG COLLECTOR_IMAGE
ARG PYTHON_IMAGE
ARG UV_IMAGE

# The official collector's image holds the collector and nothing that could ask it how it is: one static program is added.
FROM ${BUSYBOX_IMAGE} AS busybox
FROM ${COLLECTOR_IMAGE} AS collector
COPY --from=busybox /bin/busybox /busybox

FROM ${UV_IMAGE} AS uv
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /build
COPY requirements.lock configs/worker_packages.txt configs/compose/packages.txt ./
# The lock's versions, each checked against the lock's hash.
RUN --mount=from=uv,source=/uv,target=/uv \
    /uv pip install --no-cache --no-config --only-binary :all: --verify-hashes --compile-bytecode --target /packages \
    -r worker_packages.txt -r packages.txt -c requirements.lock

FROM ${PYTHON_IMAGE} AS program
ENV PYTHONPATH=/app:/packages PYTHONUNBUFFERED=1
COPY --from=packages /packages /packages
WORKDIR /app
COPY Pulumi.local.yaml ./
COPY sql sql
COPY configs configs
COPY infra infra
# A volume gets the owner of the folder that it is first mounted over.
RUN mkdir /configuration && chown 10001:10001 /configuration
USER 10001:10001
ENTRYPOINT ["python"]
