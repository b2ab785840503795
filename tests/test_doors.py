"""The front doors: what every command promises, whatever it does."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import text_rows
from loop_data import write_recipe
from promises import record

ASSAY = str(Path(sys.executable).parent / "assay")
NO_JSON = {
    "schema": "prints one JSON object in any case",
    "serve": "runs until it is stopped and prints no result",
}
GUARDED = "from flows.manners import guarded, result; "


def assay(*arguments, cwd, **more):
    return subprocess.run([ASSAY, *map(str, arguments)], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
                          **{"capture_output": True, **more})  # fmt: skip


def program(code, *arguments):
    return subprocess.run([sys.executable, "-c", GUARDED + code, *arguments], capture_output=True, text=True)


def heeds_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a background job of a shell would not


def commands():
    """Every command of the app by the words that call it: 'audit', 'review export' ..."""
    import typer

    from flows.cli import app

    def leaves(command, words):
        below = getattr(command, "commands", None)
        if below is None:
            yield " ".join(words), command
        else:
            for name, one in below.items():
                yield from leaves(one, (*words, name))

    return dict(leaves(typer.main.get_command(app), ()))


def strict(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["row_id", "text", "label", "split", "site"])
        writer.writeheader()
        writer.writerows(text_rows())
    with (folder / "nolabel.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["row_id", "text"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(text_rows()[:30])
    return folder


def test_every_command_that_prints_a_result_takes_json():
    known = commands()
    assert len(known) >= 17, sorted(known)
    without = [n for n, c in known.items() if not any("--json" in p.opts for p in c.params)]
    record("json_everywhere", len(known) - len(set(without) - set(NO_JSON)), len(set(without) - set(NO_JSON)))
    assert sorted(without) == sorted(NO_JSON)


def test_every_command_and_every_option_says_what_it_is_for():
    for name, command in commands().items():
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None) or parameter.name == "help", (name, parameter)


def test_json_is_exactly_one_object_and_knows_no_nan(folder):
    for arguments in (("stages", "--json"), ("schema",), ("clean", "rows.csv", "--dry-run", "--json")):
        done = assay(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert isinstance(strict(done.stdout), dict)
    odd = program(
        "result({'x': [float('nan'), float('inf'), 1.5], 'p': __import__('pathlib').Path('a')}, True, '')"
    )
    assert strict(odd.stdout) == {"x": [None, None, 1.5], "p": "a"}


def test_checks_of_an_audit_fail_a_build(folder):
    asked = ("audit", "rows.csv", "-o", "out", "-w", "w", "-q")
    done = assay(
        *asked, "--json", "--fail-on", "label>1%,near_duplicate>50", "--fail-on", "leakage>=1", cwd=folder
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["check failed", "label>1%"],
        ["check failed", "leakage>=1"],
    ]
    checks = {c["check"]: c for c in strict(done.stdout)["checks"]}
    assert [c["failed"] for c in checks.values()] == [True, False, True]
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "out" / "issues.parquet")
    for check in checks.values():
        name = f"is_{check['issue']}_issue"
        assert check["found"] == sum(table[name].to_pylist()) and check["of"] == table.num_rows
    passed = assay(*asked, "--fail-on", "label>90%", cwd=folder)
    assert passed.returncode == 0 and passed.stderr == ""
    blind = assay("audit", "nolabel.csv", "-o", "o2", "-w", "w", "-q", "--fail-on", "label>90%", cwd=folder)
    assert blind.returncode == 1 and "label_noise was skipped" in blind.stderr


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("lable>2%", "did you mean label?"),
        ("label_noise>0", "label_noise is a stage; name an issue that it finds: label"),
        ("label=2%", "write ISSUE>NUMBER"),
        ("label>2%,", "write ISSUE>NUMBER"),
        ("wholly_other>1", "issues are"),
    ],
)
def test_a_check_that_makes_no_sense_says_what_was_meant(check, says):
    from flows.checks import parse_checks
    from pipeline.recipe import RecipeError

    with pytest.raises(RecipeError, match=says.replace("?", r"\?")):
        parse_checks([check])


def test_every_issue_that_an_audit_finds_can_be_checked(data, engine):
    from flows.checks import FOUND_BY
    from pipeline.auditing import audit_dataset
    from pipeline.report.meanings import MEANINGS
    from pipeline.source import Opened

    found = {
        issue: step.stage.name
        for step in audit_dataset(Opened(data), engine).steps
        for issue in step.findings.counts()
    }
    assert len(found) >= 5 and set(found) <= set(MEANINGS)
    assert {i: s for i, s in found.items() if FOUND_BY.get(i) != s} == {}


def test_a_dry_run_says_what_the_stage_would_do_and_writes_no_result(folder):
    asked = ("duplicates", "rows.csv", "-w", "w3", "-q", "--json")
    dry = strict(assay(*asked, "--dry-run", cwd=folder).stdout)
    assert dry["dry_run"] and not (folder / "assay-out").exists()
    real = strict(assay(*asked, cwd=folder).stdout)
    same = ("rows_in", "rows_out", "issues", "fingerprint_out")
    assert {k: dry[k] for k in same} == {k: real[k] for k in same} and dry["rows_out"] < dry["rows_in"]
    both = assay(*asked, "--dry-run", "-o", "x", cwd=folder)
    assert both.returncode == 2 and "leave out -o" in both.stderr
    plain = assay(*asked[:-1], "--dry-run", cwd=folder).stdout
    assert "dry run: it would drop" in plain and "nothing was written" in plain


def test_a_recipe_brings_its_settings_to_an_audit_and_to_a_stage(folder):
    data = '[data]\npath = "rows.csv"\nid = "row_id"\nlabel = "label"\nsplit = "split"\n'
    strict_copies = '[[stages]]\nuse = "duplicates"\nexact = "flag"\nthreshold = 0.99\n'
    (folder / "set.toml").write_text(data + strict_copies)
    (folder / "plain.toml").write_text(data)
    asked = ("-w", "w4", "-q", "--json")

    def copies(*arguments):
        return strict(assay("duplicates", *arguments, "--dry-run", *asked, cwd=folder).stdout)["issues"]

    plain, given, over = copies("plain.toml"), copies("set.toml"), copies("set.toml", "--set", "exact=drop")
    assert plain["exact_duplicate"] == over["exact_duplicate"] == {"drop": plain["exact_duplicate"]["drop"]}
    assert given["exact_duplicate"] == {"flag": plain["exact_duplicate"]["drop"]}
    audit = strict(assay("audit", "set.toml", "-o", "o4", *asked, cwd=folder).stdout)
    found = next(step for step in audit["steps"] if step["stage"] == "duplicates")
    assert found["settings"]["threshold"] == 0.99 and found["settings"]["exact"] == "flag"


class TestExitCodes:
    """Each code of `EXIT_CODES`, provoked with the real command."""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("--version",), 0),
            (("audit", "rows.csv", "-w", "w", "-o", "out", "-q", "--fail-on", "exact_duplicate>0"), 1),
            (("audit",), 2),
            (("audit", "rows.csv", "--labl-column", "x"), 2),
            (("run", "nowhere.toml"), 2),
            (("audit", "nowhere.csv"), 65),
            (("clean", "rows.csv", "-w", "w", "-q", "-o", "rows.csv/out"), 74),
            (("clean", "rows.csv", "-w", "rows.csv/w", "-q"), 74),
        ],
    )
    def test_one_line_and_the_code(self, arguments, code, folder):
        done = assay(*arguments, cwd=folder)
        assert done.returncode == code, done.stderr
        assert len(done.stderr.splitlines()) == (1 if code else 0) and "Traceback" not in done.stderr
        assert done.stdout == "" or code in (0, 1)

    def test_a_full_disk_is_74_and_a_reader_that_left_is_141(self, folder):
        with open("/dev/full", "w") as full:
            done = assay("schema", cwd=folder, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 74 and done.stderr.startswith("error: stdout: ")
        assert len(done.stderr.splitlines()) == 1
        reading, writing = os.pipe()
        os.close(reading)
        done = assay("schema", cwd=folder, capture_output=False, stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        assert done.returncode == 141 and done.stderr == ""

    def test_a_bug_is_70_in_one_line_and_its_traceback_never_shows_values(self):
        code = "secret = 'hunter' + '2'\ndef app(**_): return [secret][1]\nguarded(app)"
        done = program("\n" + code)
        assert done.returncode == 70 and len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: IndexError: ")
        debug = program("\n" + code, "--debug")
        assert debug.returncode == 70 and "Traceback" in debug.stderr and "hunter2" not in debug.stderr

    def test_interrupted_terminated_and_busy_runs_go_on_with_the_same_command(self, tmp_path):
        recipe = write_recipe(tmp_path, rounds=1)
        asked = [ASSAY, "run", str(recipe), "-w", "w", "--json"]
        codes, quietly = {}, {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        for name, sent in (("interrupted", signal.SIGINT), ("terminated", signal.SIGTERM)):
            with subprocess.Popen(asked, cwd=tmp_path, preexec_fn=heeds_ctrl_c, **quietly) as running:
                for line in running.stderr:
                    if "computing" in line:
                        break
                running.send_signal(sent)
                started = time.monotonic()
                out, err = running.communicate(timeout=60)
            codes[name] = running.returncode
            assert out == "" and "Traceback" not in err and time.monotonic() - started < 30
            assert err.splitlines()[-1] == f"{name}; the same command goes on where it stopped"
        from pipeline.store import Store

        with Store(tmp_path / "w").lock():
            busy = assay(*asked[1:], "-q", cwd=tmp_path)
        codes["workspace busy"] = busy.returncode
        assert busy.stdout == "" and len(busy.stderr.splitlines()) == 1 and "busy" in busy.stderr
        done = assay(*asked[1:], "-q", cwd=tmp_path)
        codes["done"] = done.returncode
        expected = {"interrupted": 130, "terminated": 143, "workspace busy": 75, "done": 0}
        passed = sum(codes[k] == v for k, v in expected.items())
        record("command_line", passed, len(expected) - passed, commands=len(commands()))
        assert codes == expected and strict(done.stdout)["run"] == 1


def test_the_table_of_codes_is_the_one_the_guide_publishes():
    from flows.manners import EXIT_CODES

    assert EXIT_CODES == {
        "done": 0, "checks failed": 1, "usage or recipe": 2, "bad input data": 65, "bug": 70, "disk": 74,
        "workspace busy": 75, "interrupted": 130, "reader gone": 141, "terminated": 143,
    }  # fmt: skip


def test_the_help_of_a_stage_is_the_first_line_of_its_file():
    import importlib
    import pkgutil

    import pipeline.stages as package
    from flows.stage_commands import first_line

    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    assert len(names) >= 7
    known = commands()
    for name in names:
        module = importlib.import_module(f"pipeline.stages.{name}")
        line = module.__doc__.splitlines()[0]
        assert first_line(Path(module.__file__).read_text("utf-8")) == line
        if name == "review":
            continue  # has commands of its own
        assert known[name.replace("_", "-")].help == line


def test_init_writes_data_and_a_recipe_that_find_what_is_wrong_in_them(tmp_path):
    made = strict(assay("init", "example", "--json", cwd=tmp_path).stdout)
    again = assay("init", "example", cwd=tmp_path)
    assert again.returncode == 2 and "is there already" in again.stderr
    done = assay(*made["next"].split()[1:], "-w", "w", "-q", "--json", cwd=tmp_path)
    assert done.returncode == 0 and strict(done.stdout)["run"] == 1, done.stderr
    import pyarrow.parquet as pq

    found = set(pq.read_table(tmp_path / "w" / "runs" / "1" / "ledger.parquet")["issue"].to_pylist())
    assert found >= {"exact_duplicate", "near_duplicate", "label", "malformed", "null"}
