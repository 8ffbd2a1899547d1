#!/bin/sh
# `make compose-up` and `make compose-down`: Docker Compose on docker-compose.yml, and what to do where it can't.
set -eu
cd "$(dirname "$0")/../.."
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

docker=$(command -v docker) || fail "docker is not on PATH: install Docker (docs.docker.com/get-docker), or use \`make up\`," \
    "which needs none."
minimum=$(sed -n 's/^# .*Needs Docker Compose \([0-9.]*\) or newer.*/\1/p' docker-compose.yml)
found=$("$docker" compose version --short 2>/dev/null) || fail "\`docker compose\` is missing: install Docker's plugin" \
    "compose $minimum or newer (docs.docker.com/compose/install; docker-compose with a dash is the old one)."
oldest=$(printf '%s\n%s\n' "$minimum" "${found#v}" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)
[ "$oldest" = "$minimum" ] || fail "docker compose is $found; $minimum or newer is needed (docs.docker.com/compose/install)."
"$docker" info >/dev/null 2>&1 || fail "Docker's engine does not answer: start it (Docker Desktop, or \`systemctl start" \
    "docker\`), and see that your user may use it (\`docker info\` says why not)."

if [ "$1" = down ]; then
    exec "$docker" compose down --volumes --remove-orphans
fi
if ! "$docker" compose up --build --detach --wait; then
    cat >&2 <<'EOF'

error: not everything came up (above). `docker compose logs SERVICE` says more of a service; then run `make compose-up` again, it goes on.
  A port is taken: end what holds it (`make down` if that is the local stack), or move it in the environment or a file .env:
EOF
    sed -n 's/.*ports: \[//p' docker-compose.yml | grep -o '{TELEMETRY[A-Z_]*:-[0-9]*' | sed 's/{\(.*\):-\(.*\)/    \1=\2/' >&2
    exit 1
fi
at() { "$docker" compose port "$1" "$2"; }
printf 'Dashboards  http://%s\nOTLP/HTTP   http://%s\nOTLP/gRPC   %s\nClickHouse  http://%s\nKafka       %s\n' \
    "$(at grafana 3000)" "$(at collector 4318)" "$(at collector 4317)" "$(at clickhouse 8123)" "$(at kafka 29092)"
