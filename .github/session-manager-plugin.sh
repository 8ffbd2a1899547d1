#!/bin/sh
# Installs AWS's session-manager-plugin on a runner, from its Go module: the module proxy's checksums say that it is the one.
# Not needed where clickhouseReach is direct.
set -eu
command -v session-manager-plugin > /dev/null && exit 0
make environment
folder=$(.venv/bin/python -m infra.local.toolchain session-manager-plugin | awk '$1 == "session-manager-plugin" { print $NF }')
sudo ln -s "$folder/bin/session-manager-plugin" /usr/local/bin/session-manager-plugin
