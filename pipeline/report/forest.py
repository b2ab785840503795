"""Dots with intervals on one axis: a forest plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.report.svg import LABEL, RIGHT, WIDTH, Format, chart, escape, name_beside, tag, text, ticks


class Dot(NamedTuple):
    """One estimate with its interval in a forest plot; `low` and `high` None when there is none."""

    label: str
    series: int
    value: float
    low: float | None = None
    high: float | None = None


def forest(
    name: str, title: str, about: str, dots: Sequence[Dot], show: Format, reference: float | None = None,
    ends: tuple[float, float] | None = None,
) -> str:  # fmt: skip
    """Dots with intervals on one axis; consecutive dots with the same label stand under one name."""
    values = [v for d in dots for v in (d.low, d.value, d.high, reference) if v is not None]
    low, high = ends or (min(values, default=0.0), max(values, default=1.0))
    marks = ticks(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])
    place = _linear(low, high, LABEL + 10, WIDTH - RIGHT - 60)
    parts, y, last = [], 8.0, None
    for dot in dots:
        if dot.label != last:
            y += 10 if last is not None else 0
            same = sum(d.label == dot.label for d in dots)
            parts.append(name_beside(dot.label, y + 8 * same + 4))
            last = dot.label
        says = show(dot.value) + (
            f"  [{show(dot.low)}, {show(dot.high)}]" if dot.low is not None and dot.high is not None else ""
        )
        mark = [tag("title", escape(f"{dot.label}: {says}"))]
        if dot.low is not None and dot.high is not None:
            mark.append(
                tag("line", x1=place(dot.low), x2=place(dot.high), y1=y + 8, y2=y + 8, class_="whisker")
            )
        shape = {"x": place(dot.value) - 4.5, "y": y + 3.5, "width": 9, "height": 9, "rx": 4.5 * dot.series}
        parts.append(tag("g", *mark, tag("rect", **shape), class_=f"s{dot.series}"))
        parts.append(text(says, WIDTH, y + 12, "num small", "end"))
        y += 16
    y += 8
    axis = [
        tag("line", x1=place(m), x2=place(m), y1=2, y2=y, class_="grid")
        + text(show(m) if m else "0", place(m), y + 15, "tick", "middle")
        for m in marks
    ]
    if reference is not None:
        axis.append(tag("line", x1=place(reference), x2=place(reference), y1=0, y2=y, class_="reference"))
    return chart(name, title, about, y + 22, *axis, *parts)


def _linear(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    return lambda v: left + (min(max(v, low), high) - low) / ((high - low) or 1) * (right - left)
