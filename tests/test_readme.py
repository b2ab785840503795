"""What the README claims is what the figures' file holds, and what the files it names are."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def module(name):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", ROOT / "benchmarks" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("modality", ["text", "image", "tabular", "sft"])
def test_the_figures_are_those_of_the_json_file(modality):
    """A demo whose figures have not been taken has no file, and its block on the page is empty."""
    demo = module("demo")
    if not demo.json_of(modality).exists():
        begin, end = demo.marks(modality)
        assert demo.PAGES[modality].read_text("utf-8").split(begin)[1].split(end)[0].strip() == ""
        return
    begin, end = demo.marks(modality)
    block = demo.PAGES[modality].read_text("utf-8").split(begin)[1].split(end)[0].strip()
    assert block == demo.table(json.loads(demo.json_of(modality).read_text("utf-8")))


def test_the_figures_beside_those_of_peers_are_those_of_the_benchmarks():
    figures = module("figures")
    assert README.split(figures.BEGIN)[1].split(figures.END)[0].strip() == figures.block()


def test_the_page_of_promises_is_that_of_the_json_file():
    promises = module("promises")
    figures = json.loads(promises.JSON.read_text("utf-8"))
    assert promises.PAGE.read_text("utf-8") == promises.page(figures)
    assert set(figures["promises"]) == set(promises.PROMISES) and figures["networking"] == "loopback only"
    assert figures["passed"] and all(p["failed"] == 0 for p in figures["promises"].values())


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_every_file_a_page_links_to_exists(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8"))
    assert page != "README.md" or len(links) >= 4
    for link in links:
        assert (path.parent / link).exists(), link


def test_the_stage_of_the_contributing_guide_runs(tmp_path):
    """The ten-minute stage, as printed: it is found, validated and finds what it says."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    code = re.search(r"```python\n(.+?)```", text, re.DOTALL)[1]
    path = tmp_path / "shouting.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("shouting", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from pipeline.dataset import Dataset, Roles
    from pipeline.run import run_stage

    rows = {"row_id": ["a", "b"], "text": ["BUY NOW OR NEVER", "a quiet line"], "split": ["train", "train"]}
    data = Dataset.of(rows, Roles(content=("text",)), "text")
    import sys

    sys.modules["shouting"] = module
    sys.path.insert(0, str(tmp_path))
    try:
        step = run_stage(data, module.Shouting())
    finally:
        sys.path.remove(str(tmp_path))
    assert step.findings.counts() == {"shouting": {"flag": 1}}
    assert step.findings.edits["row_id"].to_pylist() == ["a"]
