"""A disk that fails, fills up or flips bits: the old state stays readable, nothing wrong is ever read."""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import make_table, make_text
from crash_job import contents, run_job, write_rows
from promises import count, record

from pipeline.files import Corrupt, DiskFull
from pipeline.findings import Edit, Findings
from pipeline.keys import Key
from pipeline.store import Store

ASSAY = str(Path(sys.executable).parent / "assay")
CALLS = {os: ("open", "mkdir", "rename", "replace", "chmod", "fsync", "link", "stat", "scandir", "listdir"),
         fcntl: ("flock",), pq: ("write_table",)}  # fmt: skip


class Faults:
    """Counts calls to the file system about `root` and makes the n-th one fail, before or after its work.

    A write fails when half of it is done; what fails after it was done has an outcome that nobody knows.
    """

    def __init__(self, patch: pytest.MonkeyPatch, at: int, kind: int, root: Path) -> None:
        self.at, self.kind, self.root, self.calls, self.failed = at, kind, root, 0, ""
        for module, names in CALLS.items():
            for name in names:
                patch.setattr(module, name, self.failing(name, getattr(module, name)))
        opened = self.failing("io.open", io.open)
        patch.setattr(io, "open", lambda *a, **k: self.file(opened(*a, **k), a))
        patch.setattr(builtins, "open", io.open)

    def now(self, name: str) -> bool:
        self.calls += 1
        if self.calls == self.at:
            self.failed = name
        return self.calls == self.at

    def error(self) -> OSError:
        return OSError(self.kind, os.strerror(self.kind))

    def failing(self, name: str, call):
        def instead(*arguments, **options):
            if not self.here(name, arguments) or not self.now(name):
                return call(*arguments, **options)
            if self.at % 3 == 0 and name in ("rename", "replace", "fsync", "chmod"):
                call(*arguments, **options)  # done, and reported as failed
            if name == "write_table":
                Path(arguments[1]).write_bytes(b"PAR1 and then nothing")
            raise self.error()

        return instead

    def file(self, opened, arguments):
        mode = arguments[1] if len(arguments) > 1 else "r"
        if "r" in mode or not self.here("open", arguments):
            return opened
        write = opened.write

        def half(text):
            if self.now("write"):
                write(text[: len(text) // 2])
                raise self.error()
            return write(text)

        return Writing(opened, half)

    def here(self, name: str, arguments) -> bool:
        """Return whether a call is about the workspace."""
        if name in ("fsync", "flock"):
            return True
        path = arguments[1] if name == "write_table" else arguments[0]
        return isinstance(path, str | Path) and str(path).startswith(str(self.root))


class Writing:
    """A file whose writes are counted."""

    def __init__(self, file, write) -> None:
        self.file, self.write = file, write

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *error):
        return self.file.__exit__(*error)

    def __getattr__(self, name):
        return getattr(self.file, name)


def small_commit(store: Store) -> int:
    """Commit one of everything, the way a run does."""
    data = make_table()
    found = Findings.of("clean", [Edit("t001", "null", 0.5, "flag", "nothing in it")])
    with store.lock():
        name = store.save(data)
        store.save_step("step", found, {"after": name})
        store.save_signal("measures", "key", pa.table({"x": [1.0, 2.0]}))
        make = lambda f: {"size": (f / "model.txt").write_text("weights")}  # noqa: E731
        folder, facts = store.artifact(Key("model", {}), make)

        def write(run: Path, number: int) -> dict:
            (run / "model").mkdir()
            os.link(folder / "model.txt", run / "model" / "model.txt")
            (run / "report.html").write_text("<p>well")
            return {"root": name, **facts}

        return store.save_run("the small one", write, name)


def prepared(workspace: Path) -> tuple[Store, str]:
    """Return a workspace that holds an older run, and its snapshot."""
    store = Store(workspace)
    name = store.save(make_text())
    store.save_run("older", lambda folder, n: {}, name)
    return store, name


def test_a_failure_at_any_call_leaves_the_old_state_and_the_same_call_succeeds(tmp_path):
    expected, _ = prepared(tmp_path / "expected")
    assert small_commit(expected) == 2
    before = set(contents(prepared(tmp_path / "old")[0].root))
    violations, failures, step = [], 0, count(2, 1)
    counted, _ = prepared(tmp_path / "counted")
    with pytest.MonkeyPatch.context() as patch:
        seen = Faults(patch, 0, 0, counted.root)
        small_commit(counted)
    for at in range(1, seen.calls + 1, step):
        workspace = tmp_path / str(at)
        store, old = prepared(workspace)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at, (errno.EIO, errno.ENOSPC)[at // 2 % 2], workspace)
            try:
                small_commit(store)
            except OSError:
                failures += 1
            except BaseException as error:
                violations.append((at, faults.failed, repr(error)))
        try:
            assert faults.failed
            assert store.load(old).fingerprint == old and before <= set(contents(workspace))
            assert store.head()["run"] in store.runs()
            for folder in store.folders():
                store.check(folder)
            assert small_commit(store) == 2 and store.head() == expected.head()
            assert contents(workspace) == contents(expected.root)
            store.save_signal("measures", "another", pa.table({"x": [1.0]}))
            assert list((workspace / "tmp").iterdir()) == []  # what a failed tidying left goes with a commit
        except (AssertionError, Corrupt, OSError) as error:
            violations.append((at, faults.failed, repr(error)))
    tried = len(range(1, seen.calls + 1, step))
    record("nth_call", tried - len(violations), len(violations), calls=seen.calls, failures_seen=failures)
    assert not violations
    assert failures > tried * 0.5  # the others were survived: a rename that was done all the same, tidying up


def flip(path: Path, bit: int) -> bytes:
    """Flip one bit of a read-only file, its times put back as if by the disk; return what it held."""
    good, stat = path.read_bytes(), path.stat()
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << (bit % 8)
    put(path, bytes(bad), stat.st_mtime_ns)
    return good


def put(path: Path, content: bytes, mtime_ns: int) -> None:
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    path.chmod(0o444)


def read_as_the_product_does(store: Store, path: Path) -> object:
    kind, *rest = path.relative_to(store.root).parts
    if kind == "HEAD":
        return store.head()
    if kind == "datasets":
        return store.load(rest[0])
    if kind == "steps":
        return store.load_step(rest[0])
    if kind == "signals":
        return store.load_signal(rest[0], "/".join(rest[1:-1]))
    if kind == "artifacts":
        return store.artifact(SimpleNamespace(digest=rest[0]), lambda folder: {})
    return store.run_facts(int(rest[0]))


def check(store: Store, path: Path) -> object:
    return store.head() if path.name == "HEAD" else store.check(path.parent)


def test_every_flipped_bit_is_seen_by_reading_and_by_checking(tmp_path):
    store = Store(tmp_path / "w")
    run_job(write_rows(tmp_path, 1), store.root)
    files = sorted(p for p in store.root.rglob("*") if p.is_file() and "locks" not in p.parts)
    rng, silent, flips = random.Random(3), [], count(len(files) * 2, 300)
    for k in range(flips):
        path = files[k % len(files)]
        mtime_ns, bit = path.stat().st_mtime_ns, rng.randrange(path.stat().st_size * 8)
        read_as_the_product_does(store, path)  # known to be good
        good = flip(path, bit)
        for look in (read_as_the_product_does, check):
            try:
                look(store, path)
                silent.append((path.name, bit))
            except Corrupt as error:
                assert "\n" not in str(error)
        put(path, good, mtime_ns)
    record("bit_flips", flips - len(silent), len(silent), files=len(files))
    assert not silent
    for folder in store.folders():
        store.check(folder)


def test_plain_parquet_does_not_see_most_flipped_bits(tmp_path):
    """What the digests and checksums are for."""
    table, path, rng, silent = make_text().table, tmp_path / "plain.parquet", random.Random(0), 0
    pq.write_table(table, path)
    good = path.read_bytes()
    for _ in range(50):
        bad = bytearray(good)
        bit = rng.randrange(len(good) * 8)
        bad[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(bytes(bad))
        try:
            silent += not pq.read_table(path).equals(table)
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            continue
    assert silent > 10


def test_a_file_is_hashed_once_while_it_stays_as_it_is(tmp_path, monkeypatch):
    import pipeline.files as files

    store, name = prepared(tmp_path)
    hashed = []
    true = files.size_and_digest
    monkeypatch.setattr(files, "size_and_digest", lambda p: hashed.append(p) or true(p))
    monkeypatch.setattr(files, "SETTLED_NS", 0)
    store.load(name)
    first = len(hashed)
    store.load(name)
    assert first and len(hashed) == first
    store.check(tmp_path / "datasets" / name)
    assert len(hashed) == 2 * first


def quality(source: Path, folder: Path, workspace: Path, limit: int | None = None):
    def limited():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    asked = [ASSAY, "quality", str(source), "-w", str(workspace), "-o", str(folder), "-q", "--json"]
    return subprocess.run(asked, capture_output=True, text=True, preexec_fn=limited)


def assert_it_says_that_the_disk_is_full(done, workspace: Path) -> None:
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 74 and len(lines) == 1, done.stderr
    assert str(workspace) in lines[0] and "bytes are free" in lines[0] and done.stdout == ""


@pytest.fixture
def tmpfs(tmp_path):
    """Return a function that mounts a small disk, or grows it."""
    folder, mounted = tmp_path / "disk", []

    def mount(size_kb: int) -> Path:
        folder.mkdir(exist_ok=True)
        again = "remount," if mounted else ""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"{again}size={size_kb}k", "assay", str(folder)],
                              capture_output=True)
        if done.returncode:
            pytest.skip("mounting a small disk needs root")
        mounted.append(folder)
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A source and what `assay quality` makes of it with room enough: (source, files of OUT, KiB written)."""
    folder = tmp_path_factory.mktemp("large")
    source = write_rows(folder, 20)
    assert quality(source, folder / "out", folder / "w").returncode == 0
    used = sum(p.stat().st_size for p in (folder / "w").rglob("*") if p.is_file())
    largest = max(p.stat().st_size for p in (folder / "w").rglob("*") if p.is_file())
    return source, contents(folder / "out"), used // 1024, largest


def test_a_full_disk_is_one_line_and_the_same_command_finishes_when_there_is_room(large, tmpfs, tmp_path):
    source, expected, used_kb, _ = large
    good, bad, n = 0, [], count(2, 10)
    tried = []
    for k in range(n):  # from little more than the older snapshot needs to little less than all
        size = 64 + int((used_kb - 144) * k / max(n - 1, 1))
        tried.append(size)
        workspace = tmpfs(size) / f"w{k}"
        try:
            store = Store(workspace)
            old = store.save(make_table())
            done = quality(source, tmp_path / f"out-{k}", workspace)
            assert_it_says_that_the_disk_is_full(done, workspace)
            assert store.load(old).fingerprint == old
            tmpfs(used_kb * 4)
            assert quality(source, tmp_path / f"out-{k}", workspace).returncode == 0
            assert contents(tmp_path / f"out-{k}") == expected
            good += 1
        except AssertionError as error:
            bad.append((size, str(error)))
        subprocess.run(["rm", "-rf", str(workspace)], check=True)
    record("disk_full", good, len(bad), sizes_kb=tried)
    assert not bad


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(large, tmp_path):
    source, expected, _, largest = large
    for k, limit in enumerate([largest // 2, 4096, largest - 1][: count(1, 3)]):
        done = quality(source, tmp_path / f"out-{k}", tmp_path / f"w{k}", limit)
        assert_it_says_that_the_disk_is_full(done, tmp_path / f"w{k}")
        assert quality(source, tmp_path / f"out-{k}", tmp_path / f"w{k}").returncode == 0
        assert contents(tmp_path / f"out-{k}") == expected


def test_a_model_that_finds_no_room_is_told_like_a_full_disk(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    from finetune.disk import disk_errors

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DiskFull, match="bytes are free") as caught, disk_errors(tmp_path / "model"):
            save_file({"weight": np.zeros(10_000)}, tmp_path / "head.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "model")
