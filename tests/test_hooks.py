"""The hooks of pre-commit check what `make` checks, and download nothing."""

import shlex
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_hooks_call_what_make_calls():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    recipes = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    checks = {
        tuple(shlex.split(line.removesuffix(" .")))
        for target in ("lint", "types", "imports")
        for line in recipes.split(f"\n{target}: ")[1].split("\n\n")[0].splitlines()[1:]
    }
    assert {tuple(shlex.split(hook["entry"])) for hook in hooks} == checks
