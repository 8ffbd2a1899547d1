#!/bin/bash
# All that a node does by itself when it is new: its SSM agent runs. Everything else comes with `up` (applied.py), so this
# text stays as it is: a changed one would stop and start every node.
set -u
systemctl is-active --quiet amazon-ssm-agent && exit 0
rpm -q amazon-ssm-agent >/dev/null || dnf install -y -q amazon-ssm-agent
systemctl enable --now amazon-ssm-agent
