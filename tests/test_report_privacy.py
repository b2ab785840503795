"""What a report shows of people: masks by default, nothing of the rows with --redact, counts always."""

import json

import pytest
from report_data import curated_with, facts, full_record, small_dataset
from report_page import Page

from pipeline.auditing import audit
from pipeline.recipe import RecipeError
from pipeline.report import dataset_record, write, write_as
from pipeline.report.privacy import mask
from pipeline.stages.clean import Clean
from pipeline.stages.duplicates import Duplicates
from pipeline.stages.quality import Quality
from pipeline.store import Store

SECRETS = (
    "jane.doe@example.com", "+44 20 7946 0999", "(555) 123-4567", "sk-abcdefghijklmnopqrstuvwx123456",
    "AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w",
)  # fmt: skip
NO_SECRETS = ("2001-2002", "10,000 metres", "on 8 May 2005", "3.14159265", "£1,234,567.89", "12:30:45",
              "a-well-known-hyphenated-expression-of-many-words", "0-1 at half-time",
              "1998 2002 2006")  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_personal_is_masked(secret):
    told = mask(f"before {secret} after")
    assert secret not in told and told.startswith("before [") and told.endswith("] after")


@pytest.mark.parametrize("plain", NO_SECRETS)
def test_ordinary_numbers_and_words_are_not_masked(plain):
    assert mask(plain) == plain


def test_no_sample_in_page_or_twin_holds_what_looks_personal(tmp_path):
    raw = small_dataset(evil=f" {SECRETS[0]} {SECRETS[1]} {SECRETS[3]}", label="label", text="text")
    curated, steps = curated_with(raw, f" {SECRETS[0]}")
    record = {"title": "t", "steps": facts(raw, steps), "dataset": dataset_record(raw, curated, steps)}
    page = write(record, tmp_path)
    samples = json.loads((tmp_path / "report.json").read_text())["dataset"]
    texts = json.dumps([[e["text"] for i in samples["issues"] for e in i["examples"]], samples["made"],
                        [r["text"] for r in samples["label_issues"]["rows"]], samples["text"]["boilerplate"],
                        [r["text"] for g in samples["duplicates"]["biggest"]
                         for r in g["rows"]]])  # fmt: skip
    assert "[e-mail]" in texts and "[phone]" in texts and "[e-mail]" in page.read_text("utf-8")
    for part in (SECRETS[1], SECRETS[3], "jane.doe@example"):
        assert part not in json.dumps([e["text"] for i in samples["issues"] for e in i["examples"]])
        assert part not in texts.replace("\\n", " ") or part in json.dumps(samples["made"]["classes"])


def canary_frame(tmp_path):
    """Write a CSV with a canary in every cell of text, metadata and id; return path and canaries."""
    import csv

    canaries = []

    def canary(kind, i):
        canaries.append(f"CANARY{kind}{i:03d}")
        return canaries[-1]

    path = tmp_path / "canary.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "text", "label", "site", "note"])
        for i in range(40):
            words = f"{canary('text', i)} the <b>quick</b> brown fox jumps over the lazy dog"
            out.writerow([canary("id", i), words if i % 4 else "short words", "ab"[i % 2],
                          f"{canary('site', i % 3)}", f"{canary('note', i)} x@example.org"])  # fmt: skip
        out.writerow([canary("broken", 1), "too", "many", "cells", canary("broken", 2), "here"])
    return path, sorted(set(canaries))


def test_redacted_files_hold_no_cell_and_keep_the_counts(tmp_path):
    path, canaries = canary_frame(tmp_path)
    found = audit(str(path), label="label", text="text", stages=(Clean(), Quality(), Duplicates()))
    open_page = found.report(tmp_path / "open.html").read_text("utf-8")
    assert any(c in open_page for c in canaries)  # the canaries would be seen
    page = found.report(tmp_path / "closed.html", redact=True).read_text("utf-8")
    twin = (tmp_path / "closed.json").read_text("utf-8")
    seen = [c for c in canaries if c in page or c in twin]
    assert seen == []
    before, after = (json.loads((tmp_path / f"{n}.json").read_text())["dataset"] for n in ("open", "closed"))
    assert [(i["issue"], i["rows"]) for i in before["issues"]] == [
        (i["issue"], i["rows"]) for i in after["issues"]
    ]
    assert before["labels"] == after["labels"] and before["drift"] == after["drift"]
    assert "Redacted:" in Page(page).words and "40 rows" in Page(page).words


def test_values_that_a_run_learnt_are_gone_when_redacted(tmp_path):
    record = json.loads(json.dumps(full_record()))
    group = "site=CANARY: recall 0.30 against 0.90 elsewhere"
    record["steps"][0]["settings"] = {"focus": ["site=CANARY"], "threshold": 0.5}
    record["steps"][1] |= {"skipped": "class 'CANARY' has 1 row", "metrics": {"classes": {"CANARY": 1}}}
    record["rounds"][0]["changes"] = record["next_changes"] = [f"augment.focus = {group}"]
    record["notes"] = record["guesses"] = ["row CANARY was odd"]
    record["quarantine"] = [
        {"file": "f.csv", "line": 3, "reason": "'CANARY' is no number", "raw": "CANARY,1"}
    ]
    for side in ("raw", "curated"):
        record["evaluation"][side]["slices"] = [
            {"slice": "site=CANARY", "n": 9, "value": 0.3, "weak": True, "because": group},
            {"slice": "n_words>=40", "n": 9, "value": 0.4}, {"slice": "label=a", "n": 9, "value": 0.5},
        ]  # fmt: skip
    assert "CANARY" in write_as(record, tmp_path / "open.html").read_text("utf-8")
    page = write_as(record, tmp_path / "r.html", redact=True).read_text("utf-8")
    assert "CANARY" not in page and "CANARY" not in (tmp_path / "r.json").read_text("utf-8")
    for kept in ("site=(value 1)", "n_words&gt;=40", "label=a", "f.csv", "threshold 0.5"):
        assert kept in page, kept


def assay(*words):
    from typer.testing import CliRunner

    from flows.cli import app

    return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=True)


def test_a_stored_run_is_written_again_without_samples(tmp_path):
    store = Store(tmp_path / "w")

    def run_files(folder, number):
        write({**full_record(), "notes": ["CANARY"]}, folder)
        return {}

    store.save_run("key", run_files, "snapshot")
    kept = (tmp_path / "w" / "runs" / "1" / "report.html").read_text("utf-8")
    out = tmp_path / "sent" / "for-them.html"
    done = assay("report", "-w", tmp_path / "w", "--redact", "-o", out)
    assert done.exit_code == 0 and done.stdout.strip() == str(out)
    page = out.read_text("utf-8")
    assert "quick brown fox" in kept and "CANARY" in kept
    assert "quick brown fox" not in page and "CANARY" not in page and "for-them.json" in page
    assert "quick brown fox" not in out.with_suffix(".json").read_text("utf-8")
    assert kept == (tmp_path / "w" / "runs" / "1" / "report.html").read_text("utf-8")


def test_a_redacted_run_report_needs_a_place_of_its_own(tmp_path):
    def run_files(folder, number):
        write(full_record(), folder)
        return {}

    Store(tmp_path / "w").save_run("key", run_files, "snapshot")
    for words in (["--redact"], ["--redact", "-o", str(tmp_path)], ["-o", "page.txt"]):
        done = assay("report", "-w", tmp_path / "w", *words)
        assert isinstance(done.exception, RecipeError), words


def test_audit_takes_redact_on_the_command_line(tmp_path):
    lines = ["id,size,colour,label"] + [f"{i},{i * 7 % 13},CANARY{i % 5},{'xy'[i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    words = ("audit", tmp_path / "t.csv", "-o", tmp_path / "out", "-w", tmp_path / "w", "-q")
    assert assay(*words).exit_code == 0
    assert "CANARY" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert assay(*words, "--redact").exit_code == 0
    for name in ("report.html", "report.json"):
        assert "CANARY" not in (tmp_path / "out" / name).read_text("utf-8")
