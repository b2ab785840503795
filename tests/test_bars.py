"""What is drawn while something runs, and where: seen through a real terminal and through pipes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import text_rows

from flows.bars import Lines
from pipeline.progress import counted, listening

ASSAY = str(Path(sys.executable).parent / "assay")
ESCAPE, BOX = b"\x1b", "─━│┃╭╮╰╯┌┐└┘╸╺"
DRAWN_ON = {"TERM": "xterm-256color", "NO_COLOR": "", "CI": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bars")
    rows = [f'{r["row_id"]},"{r["text"]}",{r["label"]}' for r in text_rows()]
    (folder / "rows.csv").write_text("\n".join(["row_id,text,label", *rows]) + "\n", "utf-8")
    return folder


def on_terminal(folder, *arguments, stop_at=None, **environment):
    """Run with stderr on a terminal and stdout in a pipe; returns what each received, and the exit code.

    stop_at : bytes after which Ctrl-C is sent.
    """
    ours, theirs = pty.openpty()
    command = [ASSAY, *arguments]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=theirs, env={**os.environ, **DRAWN_ON, **environment},
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
        if stop_at and stop_at in shown:
            process.send_signal(signal.SIGINT)
            stop_at = None
    out = process.stdout.read()
    process.stdout.close()
    os.close(ours)
    return out, shown, process.wait()


def test_ctrl_c_takes_the_bars_away_and_leaves_one_line(folder):
    asked = ("audit", "rows.csv", "-w", "w-stopped", "-o", "out")
    out, shown, code = on_terminal(folder, *asked, stop_at="━".encode())
    assert code == 130 and out == b"" and b"Traceback" not in shown
    after = shown[shown.rindex(b"\x1b[?25h") :]
    assert after.decode().strip().endswith("interrupted; the same command goes on where it stopped")
    assert "━" not in after.decode()


def test_a_terminal_shows_bars_that_leave_nothing_behind_and_stdout_stays_pure(folder):
    out, shown, code = on_terminal(folder, "clean", "rows.csv", "--dry-run", "-w", "w")
    assert code == 0 and ESCAPE not in out and out.startswith(b"clean ")
    assert ESCAPE in shown and "━" in shown.decode() and b"\x1b[?25l" in shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")  # the cursor is shown again


def test_an_error_after_bars_stands_alone_on_its_line(folder):
    out, shown, code = on_terminal(folder, "clean", "rows.csv", "-o", "rows.csv/out", "-w", "w")
    assert code == 74 and out == b""
    last = shown.decode().splitlines()[-1]
    assert "error: rows.csv/out" in last and shown.rindex(b"\x1b[?25h") < shown.index(b"error:")


@pytest.mark.parametrize(
    ("option", "environment"),
    [((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"}), ((), {"CI": "true"}), (("--no-color",), {})],
    ids=["NO_COLOR", "dumb", "CI", "--no-color"],
)
def test_a_terminal_that_must_not_be_drawn_on_gets_plain_lines(option, environment, folder):
    asked = ("clean", "rows.csv", "--dry-run", "-w", "w", *option)
    out, shown, code = on_terminal(folder, *asked, **environment)
    assert code == 0 and ESCAPE not in out + shown and not set(BOX) & set(shown.decode())
    assert b"label: column 'label'" in shown


def test_quiet_says_nothing_and_pipes_get_plain_lines(folder):
    asked = ("clean", "rows.csv", "--dry-run", "-w", "w")
    assert on_terminal(folder, *asked, "-q")[1] == b""
    done = subprocess.run([ASSAY, *asked], cwd=folder, capture_output=True, env={**os.environ, **DRAWN_ON})
    assert ESCAPE not in done.stdout + done.stderr and b"label: column 'label'" in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("audit", "--help"), ("audit",), ("nonsense",)])
def test_help_and_usage_errors_are_plain_text_even_on_a_terminal(arguments, folder):
    out, shown, code = on_terminal(folder, *arguments, FORCE_COLOR="", COLUMNS="80")
    assert code in (0, 2) and ESCAPE not in out + shown and not set(BOX) & set((out + shown).decode())


def test_plain_lines_are_at_most_one_for_each_tenth(capsys):
    for every_seconds, most in ((0.0, 9), (60.0, 0)):
        lines = Lines(every_seconds)
        with listening(lines.advance):
            for _ in counted("rows", range(1000), 1000):
                pass
        said = capsys.readouterr().err.splitlines()
        assert len(said) == most
    assert all("%" in line for line in said)


def test_the_layers_below_do_not_know_how_progress_is_shown():
    root = Path(__file__).parent.parent
    files = [f for layer in ("pipeline", "finetune") for f in (root / layer).rglob("*.py")]
    assert len(files) > 80
    assert [str(f) for f in files if "import rich" in f.read_text() or "from rich" in f.read_text()] == []
