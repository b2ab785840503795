"""Prefect: the same bytes as the plain run, what people see of a run, what is tried again, and a schedule."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from flow_data import write_table_recipe
from loop_data import write_recipe
from prefect_server import end, until

from finetune.settings import Training
from flows.improve import run_recipe
from pipeline.ingest import InputError
from pipeline.recipe import load_recipe
from pipeline.run import curate as plain_curate
from pipeline.signals.engine import Engine
from pipeline.source import open_data
from pipeline.stage import NotApplicable
from pipeline.store import Busy, Store

ASSAY = str(Path(sys.executable).parent / "assay")
OUTPUTS = ("dataset.parquet", "findings.parquet", "issues.parquet", "ledger.parquet", "summary.json")
PROBE = '[train]\nmethod = "probe"\n'


@pytest.fixture(scope="module")
def both(prefect_server, tmp_path_factory):
    """One recipe as a plain run and as flows: the folder, and what each returned."""
    from flows.curate import curate, improve

    folder = tmp_path_factory.mktemp("both")
    recipe = write_recipe(folder, rounds=1, stages=PROBE)
    plan = load_recipe(recipe, (), Training)
    names: list[str] = []

    def call(name, function, *args):
        names.append(name)
        return function(*args)

    store = Store(folder / "plain")
    steps = plain_curate(open_data(plan, store).dataset, plan.stages, Engine(plan.signals, store), store)
    plain = run_recipe(recipe, folder / "plain", [], 1, lambda line: None, call).facts
    plain |= {"curated once": steps[-1].after.fingerprint, "names": names}
    fingerprint = curate(str(recipe), str(folder / "flow"), 1)
    return folder, plain, {"curated once": fingerprint, **improve(str(recipe), str(folder / "flow"), 1)}


def test_the_flows_give_the_bytes_of_the_plain_run(both):
    folder, plain, done = both
    assert all(done[name] == plain[name] for name in ("curated once", "curated", "run"))
    one, two = (sorted(p.relative_to(folder / side) for p in (folder / side / "steps").rglob("*.parquet"))
                for side in ("plain", "flow"))
    assert one == two and one
    for name in [*one, *(Path("runs/1") / name for name in OUTPUTS)]:
        assert (folder / "plain" / name).read_bytes() == (folder / "flow" / name).read_bytes(), name


def test_a_run_leaves_a_summary_tables_a_link_and_its_progress(both, prefect_server):
    folder, plain, done = both
    server = prefect_server
    summary = server.artifact("assay-improve-recipe-summary")
    assert summary["type"] == "markdown" and "## loop" in summary["data"]
    assert plain["curated"] in summary["data"] and "round 1:" in summary["data"]
    stages = json.loads(server.artifact("assay-improve-recipe-stages")["data"])
    assert [(s["round"], s["stage"]) for s in stages] == [(s["round"], s["stage"]) for s in plain["stages"]]
    issues = json.loads(server.artifact("assay-improve-recipe-issues")["data"])
    copies = next(line for line in issues if line["issue"] == "exact_duplicate")
    assert copies["rows"] == 1 and copies["action"] == "drop" and copies["because"]
    assert [line["rows"] for line in issues] == sorted((line["rows"] for line in issues), reverse=True)
    report = (folder / "flow" / "runs" / "1" / "report.html").resolve()
    assert report.as_uri() in server.artifact("assay-improve-recipe-report")["data"]
    for flow in ("curate", "improve"):
        bar = server.artifact(f"assay-{flow}-recipe-progress")
        assert bar["type"] == "progress" and bar["data"] == 100.0
    assert done["curated once"] in server.artifact("assay-curate-recipe-summary")["data"]
    assert all(set(a["key"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for a in server.ask("artifacts"))


def test_the_progress_bar_expects_as_many_steps_as_the_loop_has(both):
    from flows.curate import _expected

    folder, plain, _ = both
    assert _expected(load_recipe(folder / "recipe.toml", (), Training)) == len(plain["names"])


@pytest.mark.parametrize(("error", "tries"), [
    (OSError(errno.EIO, "Input/output error", "shard"), 2),
    (OSError(errno.ESTALE, "Stale file handle", "shard"), 2),
    (ConnectionResetError("peer"), 2),
    (Busy("workspace w is busy (pid 1)"), 2),
    (OSError(errno.ENOSPC, "No space left on device", "shard"), 1),
    (InputError("rows.csv:3: not UTF-8"), 1),
    (NotApplicable("class film has 2 rows"), 1),
    (KeyError("a bug"), 1),
], ids=lambda value: type(value).__name__ + str(getattr(value, "errno", "") or ""))  # fmt: skip
def test_only_hiccups_of_disk_and_network_are_tried_again(prefect_server, monkeypatch, error, tries):
    from prefect import flow

    import flows.steps

    monkeypatch.setattr(flows.steps, "RETRY_DELAYS_SECONDS", [0.05, 0.1])
    calls = []

    def read():
        calls.append(1)
        if len(calls) == 1:
            raise error
        return "rows"

    @flow(persist_result=False)
    def reading():
        return flows.steps.as_task("read", read)

    if tries == 1:
        with pytest.raises(type(error)):
            reading()
    else:
        assert reading() == "rows"
    assert len(calls) == tries


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again_and_a_corrupt_one_is_not():
    from flows.steps import transient
    from pipeline.files import Corrupt

    def read(error):
        try:
            try:
                raise error
            except OSError as why:
                raise Corrupt(f"shard: {why}") from None
        except Corrupt as corrupt:
            return transient(corrupt)

    assert read(OSError(errno.EIO, "Input/output error"))
    assert not read(OSError("page checksum differs"))


@pytest.mark.timeout(420)
def test_a_schedule_fires_twice(prefect_server, tmp_path):
    recipe = write_table_recipe(tmp_path)
    env = {**prefect_server.env, "ASSAY_WORKSPACE": str(tmp_path / "w")}

    def fired():
        return [r for r in prefect_server.ask("flow_runs")
                if r["state_type"] == "COMPLETED" and r["parameters"].get("recipe") == str(recipe)]

    with (tmp_path / "serve.log").open("w") as log:
        serve = [ASSAY, "serve", str(recipe), "--cron", "* * * * *", "--workers", "1"]
        served = subprocess.Popen(serve, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: len(fired()) >= 2, 240, "two scheduled runs to complete", every=1)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(tmp_path / 'serve.log').read_text()[-3000:]}") from None
    finally:
        end(served)
    assert all(run["auto_scheduled"] for run in fired())
    assert Store(tmp_path / "w").head()["run"] == 1  # the second run found everything done
