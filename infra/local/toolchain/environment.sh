#!/bin/sh
# Makes .venv what requirements.lock says, with uv; prints nothing and takes no time when it already is.
# `make` runs this before every target. Two runs at once wait for each other; a killed one is started over.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
cache=${AGENT_TELEMETRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/agent-telemetry}
venv=$root/.venv
stamp=$venv/.environment

# The stamp holds what the environment was made from.
inputs() {
    echo "$root"
    cat "$root/requirements.lock" "$root/pyproject.toml" "$root/infra/local/toolchain/environment.sh" 2>/dev/null
}
usable() { [ -x "$venv/bin/python" ] && [ -x "$venv/bin/telemetry" ]; }
if usable && inputs | cmp -s - "$stamp"; then exit 0; fi

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

[ ! -L "$venv" ] || fail ".venv is a link: setting it up would change another checkout's; remove the link."

# From here on `python` is the first Python that is new enough for pyproject.toml.
minimum=$(sed -n 's/^  python: "\(.*\)"$/\1/p' "$root/configs/versions.yaml")
python= tried=
for name in python3.12 python3.13 python3.11 python3 python; do
    found=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    tried="$tried $name is $found;"
    if [ "${found%%.*}" -eq 3 ] && [ "${found#*.}" -ge "${minimum#*.}" ]; then python=$name; break; fi
done
[ -n "$python" ] || fail "Python $minimum or newer is needed;${tried:- none was found on PATH}; install one from" \
    "python.org or the system's packages (Debian: apt install python3 python3-venv)."

# The lock is the file itself, so nothing lies around for it; the process that holds it runs this script again.
if [ "${ENVIRONMENT_LOCK:-}" != "$root" ]; then
    ENVIRONMENT_LOCK=$root exec "$python" - "$root/requirements.lock" "$0" <<'PY'
import fcntl, os, sys

lock = os.open(sys.argv[1], os.O_RDONLY)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("waiting for another make that sets up .venv", file=sys.stderr)
    fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True)
os.execvp("sh", ["sh", sys.argv[2]])
PY
fi

if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then
    uv=uv
else
    version=$(sed -n 's/^  uv: {version: \([^,}]*\).*/\1/p' "$root/configs/versions.yaml")
    folder=$cache/uv/$version
    uv=$folder/bin/uv
    if ! "$uv" --version >/dev/null 2>&1; then
        echo "installing uv $version into the cache" >&2
        mkdir -p "$cache/uv" || fail "the cache folder $cache can't be written; set AGENT_TELEMETRY_CACHE to one that can."
        # A virtual environment can't be moved: each run makes its own, and the link to it changes in one rename.
        own=$(mktemp -d "$cache/uv/$version-XXXXXX")
        trap 'rm -rf "$own"' EXIT
        "$python" -m venv "$own" || fail "$python has no working venv module (Debian: apt install python3-venv)."
        "$own/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$version" ||
            fail "pip could not install uv $version; its message is above."
        "$python" -c 'import os, sys; os.symlink(sys.argv[1], sys.argv[1] + ".link"); os.replace(sys.argv[1] + ".link", sys.argv[2])' \
            "$own" "$folder"
        trap - EXIT
    fi
fi

export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 VIRTUAL_ENV="$venv"
unset UV_PROJECT_ENVIRONMENT UV_REQUIRE_HASHES || true
echo "setting up .venv from requirements.lock (usually 5 to 90 s)" >&2
explain() {
    fail "$1 failed; its message is above. .venv is set up again by the next run. With a full disk, UV_CACHE_DIR" \
        "moves uv's cache elsewhere."
}
cd "$root"
if usable && [ "$(sed -n 1p "$stamp" 2>/dev/null)" = "$root" ]; then
    rm "$stamp"
else
    # Without a stamp a run was killed half-way: what it left is not trusted. With another path in it the clone
    # was moved, and the scripts in .venv still hold the old one.
    "$uv" venv --quiet --clear --python "$python" "$venv" || explain "uv venv"
fi
"$uv" pip sync --quiet --require-hashes requirements.lock || explain "uv pip sync"
"$uv" pip install --quiet --no-deps --editable . || explain "uv pip install"
inputs > "$stamp.new"
mv "$stamp.new" "$stamp"
