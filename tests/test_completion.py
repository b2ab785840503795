"""Tab in a real shell: commands, stages, options, and the workspace's run numbers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = str(Path(sys.executable).parent)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose default workspace holds the runs 1 to 3 and a run that was never committed."""
    folder = tmp_path_factory.mktemp("tab")
    for n in range(1, 5):
        run = folder / "data" / "workspace" / "runs" / str(n)
        run.mkdir(parents=True)
        if n < 4:
            (run / "manifest.json").write_text("{}")
    shutil.copytree(folder / "data" / "workspace" / "runs" / "2", folder / "other" / "runs" / "7")
    return folder


def bash(script, folder):
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_offers_what_can_come_next(folder):
    lines = {
        "au": {"audit", "augment"},
        "dup": {"duplicates"},
        "label": {"label-noise"},
        "audit --fail": {"--fail-on"},
        "duplicates --d": {"--dry-run"},
        "report ": {"3", "2", "1"},
        "report -w other ": {"7"},
        "why r1 --run ": {"3", "2", "1"},
        "audit x.csv --modality ta": {"tabular"},
        "demo --variant as": {"as-is"},
    }
    script = 'source <(assay --show-completion bash)\n_try() { local IFS=$" "; COMP_WORDS=($1);'
    script += ' [[ "$1" == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1));'
    script += ' _assay_completion assay; echo "${COMPREPLY[*]}"; }\n'
    script += "\n".join(f"_try 'assay {line}'" for line in lines)
    said = [set(line.split()) for line in bash(script, folder).splitlines()]
    assert dict(zip(lines, said, strict=True)) == lines


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_zsh_and_fish_are_answered_in_their_own_form(shell, folder):
    env = {**os.environ, "_ASSAY_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "assay dup",
           "_TYPER_COMPLETE_FISH_ACTION": "get-args"}  # fmt: skip
    done = subprocess.run([f"{BIN}/assay"], cwd=folder, env=env, capture_output=True, text=True)
    assert "duplicates" in done.stdout and "Exact and near copies" in done.stdout and done.stderr == ""
    script = bash(f"assay --show-completion {shell}", folder)
    assert f"complete_{shell}" in script


def test_install_completion_writes_to_the_shells_own_place(folder):
    bash("assay --install-completion bash", folder)
    assert "_assay_completion" in (folder / ".bash_completions" / "assay.sh").read_text()
    assert "assay.sh" in (folder / ".bashrc").read_text()
