"""A canary in every place where people put secrets, then a search of every place where it could come out."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from flow_data import write_table_recipe
from prefect_server import CANARY
from promises import record

from pipeline.masking import MASK, MaskedRecord, has_credentials, looks_secret, mask, masked_errors

ASSAY = str(Path(sys.executable).parent / "assay")
ENV = {"PREFECT_API_KEY": CANARY, "AWS_SECRET_ACCESS_KEY": f"{CANARY}/+", "DB_PASSWORD": f"it's {CANARY}",
       "PREFECT_LOGGING_TO_API_ENABLED": "true", "PREFECT_LOGGING_LEVEL": "DEBUG"}
FLOWS = """
import logging, sys, traceback
from pathlib import Path
from flows.curate import curate, improve
from flows.left_behind import our_run
from flows.steps import as_task
from prefect import flow, get_run_logger

workspace, good, missing, address, secret = sys.argv[1:]

def leak():
    get_run_logger().warning("reading with %s", secret)
    logging.getLogger("somewhere").error("trying %s", secret)
    try:
        raise ValueError(f"token {secret} refused")
    except ValueError as error:
        raise KeyError(f"https://me:{secret}@host/rows.csv?sig={secret}") from error

@flow(name="leaking", persist_result=False)
def leaking():
    with our_run(Path(workspace)):
        as_task("leak", leak)

improve(good, workspace, 1)
for run in (lambda: curate(missing, workspace, 1), lambda: curate(address, workspace, 1), leaking):
    try:
        run()
    except Exception:
        traceback.print_exc()
"""


@pytest.fixture(scope="module")
def everything(prefect_server, tmp_path_factory):
    """Run flows and commands with the canary everywhere; gives the text of every place it could come out."""
    folder = tmp_path_factory.mktemp("secrets")
    workspace, recipes = folder / "workspace", folder / "recipes"
    good = write_table_recipe(recipes)

    def recipe(name, path, more=""):
        at = recipes / f"{name}.toml"
        at.write_text(good.read_text().replace('"rows.csv"', f'"{path}"\n{more}'))
        return at

    missing = recipe("missing", f"{CANARY}.csv")
    address = recipe("address", f"https://me:{CANARY}@host/rows.csv")
    inline = recipe("inline", "rows.csv", f'api_key = "{CANARY}"')
    env = {**prefect_server.env, **ENV}
    places = {}

    def run(name, *command):
        done = subprocess.run([*map(str, command)], cwd=folder, env=env, capture_output=True, text=True)
        places[name] = done.stdout + done.stderr
        return done.returncode

    arguments = (workspace, good, missing, address, CANARY)
    assert run("output of the flows", sys.executable, "-c", FLOWS, *arguments) == 0
    codes = [
        run("assay run, missing file", ASSAY, "run", missing, "-w", workspace),
        run("assay run, address", ASSAY, "run", address, "-w", workspace),
        run("assay run, inline", ASSAY, "run", inline, "-w", workspace),
        run("assay audit, address", ASSAY, "audit", f"https://me:{CANARY}@host/rows.csv", "-w", workspace),
        run("assay serve", ASSAY, "serve", f"{CANARY}.toml", "-w", workspace),
    ]
    with sqlite3.connect(prefect_server.home / "prefect.db") as database:
        places["Prefect's database"] = "\n".join(database.iterdump())
    for path in (p for p in prefect_server.home.rglob("*") if p.is_file()):
        places[f"Prefect's home: {path.name}"] = path.read_bytes().decode(errors="replace")
    for path in (p for p in workspace.rglob("*") if p.is_file()):
        text = repr(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else ""
        name = f"workspace: {path.relative_to(workspace)}"
        places[name] = str(path) + text + path.read_bytes().decode(errors="replace")
    return places, codes


def test_no_secret_comes_out_anywhere(everything):
    places, _ = everything
    leaks = [name for name, text in places.items() if CANARY in text]
    record("secrets", len(places) - len(leaks), len(leaks), searched=len(places),
           places="Prefect's database, home and server log, flow and command output, every workspace file")
    assert leaks == []
    assert len(places) > 30


def test_the_search_looks_where_the_errors_are(everything):
    places, codes = everything
    database, output = places["Prefect's database"], places["output of the flows"]
    for text in (database, output):
        assert f"{MASK}.csv" in text and f"token {MASK} refused" in output
    assert f"trying {MASK}" in output
    assert f"reading with {MASK}" in database and f"https://{MASK}@host" in database
    assert codes == [65, 2, 2, 2, 2]
    for name in ("run, missing file", "run, address", "run, inline", "audit, address"):
        name = f"assay {name}"
        assert len(places[name].splitlines()) == 1 and "Traceback" not in places[name]
    assert "recipes hold no secrets" in places["assay run, inline"]
    assert "inline.toml:5: data.api_key" in places["assay run, inline"]
    assert any(name.endswith("report.html") for name in places)


@pytest.mark.parametrize("error", [
    ValueError(f"bad token {CANARY}"), OSError(5, "Input/output error", f"/mnt/{CANARY}/rows"),
    KeyError(CANARY), UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, f"in {CANARY}"),
], ids=lambda error: type(error).__name__)  # fmt: skip
def test_an_exception_loses_its_secret_and_keeps_its_kind(error, monkeypatch):
    import traceback

    monkeypatch.setenv("HF_TOKEN", CANARY)
    kind = RuntimeError if isinstance(error, UnicodeDecodeError) else type(error)  # made of bytes
    with pytest.raises(kind) as caught, masked_errors():
        try:
            raise RuntimeError(f"first {CANARY}")
        except RuntimeError:
            raise error from None
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert MASK in str(caught.value)


def test_a_log_line_and_its_traceback_are_masked(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        line = MaskedRecord("assay", logging.ERROR, __file__, 1, "with %s", (CANARY,), sys.exc_info())
    text = logging.Formatter("%(message)s").format(line)
    assert CANARY not in text and text.startswith(f"with {MASK}") and f"ValueError: {MASK}" in text


def test_what_is_no_secret_is_left_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))  # where it is, not what
    monkeypatch.setenv("RAY_TOKEN", "off")
    text = f"{tmp_path}/rows.csv is off; see https://host/a@b and me@host.org, sport/money@3"
    assert mask(text) == text
    assert not any(map(looks_secret, ("TOKENIZERS_PARALLELISM", "KEYBOARD", "PWD", "max_tokenizer")))
    assert not has_credentials("data/me@home/rows.csv") and has_credentials("https://h/r.csv?X-Amz-Signature=0a")


def test_serving_to_an_open_server_elsewhere_is_refused(tmp_path):
    recipe = write_table_recipe(tmp_path)

    def serve(**env):
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}, **env}
        done = subprocess.run([ASSAY, "serve", str(recipe)], env=env, capture_output=True, text=True)
        return done.returncode, done.stderr

    code, said = serve(PREFECT_API_URL=f"http://me:{CANARY}@0.0.0.0:1/api")
    assert code == 2 and "PREFECT_API_AUTH_STRING" in said and len(said.splitlines()) == 1
    assert CANARY not in said
    code, said = serve(PREFECT_API_URL="http://127.0.0.1:1/api", PREFECT_HOME=str(tmp_path / "home"))
    assert code == 2 and "no Prefect server answers" in said and len(said.splitlines()) == 1
    code, said = serve()
    assert code == 2 and "prefect server start" in said and len(said.splitlines()) == 1
