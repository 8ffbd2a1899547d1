"""Runs a job of .github/workflows as GitHub would: its steps' own commands in bash, in order, in a checkout's folder.

Actions are not run, but that artifacts go from job to job. An expression that is not known here is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.paths import ROOT

INSTALLS = ("make environment", ".github/session-manager-plugin.sh")
"""Commands that only put tools in place; who runs a job here has them."""
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Runner:
    """A machine with a checkout: `run` does one job."""

    checkout: Path
    artifacts: Path
    environment: Mapping[str, str]
    context: Mapping[str, str]
    """What expressions stand for: `github.token` and its like."""
    said: list[str] = field(default_factory=list)
    """What each command of the last job printed."""
    refused: tuple[str, ...] = ()
    """Ids of the steps whose action fails."""

    def run(self, workflow: str, job: str, **matrix: str) -> bool:
        """Whether the job is green."""
        content = yaml.safe_load((ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text())
        values = {**self.context, **{f"matrix.{key}": value for key, value in matrix.items()}}
        shared = self._filled(content.get("env", {}) | content["jobs"][job].get("env", {}), values)
        self.said, green = [], True
        outcomes: dict[str, str] = {}
        for step in content["jobs"][job]["steps"]:
            if not self._wanted(str(step.get("if", "")), outcomes, green):
                continue
            if "uses" in step:
                self._artifact(step)
                outcomes[step.get("id", "")] = "failure" if step.get("id") in self.refused else "success"
                green &= step.get("id") not in self.refused
                continue
            command = EXPRESSION.sub(lambda found: values[found[1]], step["run"])
            if command in INSTALLS:
                continue
            done = self._bash(command, {**shared, **self._filled(step.get("env", {}), values)})
            outcomes[step.get("id", "")] = "success" if done else "failure"
            green &= done or step.get("continue-on-error", False)
        return green

    def _bash(self, command: str, environment: Mapping[str, str]) -> bool:
        # GitHub's own flags for a step without `shell`.
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.checkout,
            env={**self.environment, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=1200,
        )
        self.said.append(done.stdout)
        return done.returncode == 0

    def _filled(self, values: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
        return {key: EXPRESSION.sub(lambda found: known[found[1]], str(value)) for key, value in values.items()}

    def _wanted(self, condition: str, outcomes: Mapping[str, str], green: bool) -> bool:
        """A step without always() is left out once one has failed."""
        terms = [term.strip() for term in condition.split("&&") if term.strip()]
        wanted = "always()" in terms or ("failure()" in terms) != green
        return wanted and all(self._holds(term, outcomes) for term in terms)

    def _holds(self, term: str, outcomes: Mapping[str, str]) -> bool:
        if term in ("always()", "failure()"):
            return True
        if found := re.fullmatch(r"hashFiles\('(.+)'\) != ''", term):
            return (self.checkout / found[1]).is_file()
        if found := re.fullmatch(r"steps\.(\w+)\.outcome == '(\w+)'", term):
            return outcomes[found[1]] == found[2]
        raise AssertionError(f"a condition that is not known here: {term}")

    def _artifact(self, step: Mapping[str, Any]) -> None:
        action = step["uses"].partition("@")[0]
        if action == "actions/upload-artifact":
            path = self.checkout / step["with"]["path"]
            shutil.move(path, self.artifacts / step["with"]["name"])
        elif action == "actions/download-artifact":
            # Into the checkout under the name that it was uploaded from.
            shutil.copy(self.artifacts / step["with"]["name"], self.checkout / f"{step['with']['name']}.json")
