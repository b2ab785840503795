"""Small charts that stand side by side: a histogram for each of many measures, and a plane of points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.report.svg import chart, mark, short_number, tag, text, ticks
from pipeline.words import how_many

WIDTH, HEIGHT, LEFT, RIGHT = 340.0, 96.0, 40.0, 12.0
PLANE, PLANE_LEFT, PLANE_BOTTOM = 360.0, 56.0, 44.0


def small_histogram(
    name: str, title: str, edges: Sequence[float], series: Sequence[tuple[str, Sequence[int]]]
) -> str:
    """Upright bars of equal width; the first series is filled, the second drawn inside it."""
    bins = max(len(edges) - 1, 1)
    top = max((c for _, counts in series for c in counts), default=0) or 1
    wide = (WIDTH - LEFT - RIGHT) / bins
    parts = [text(short_number(top), LEFT - 6, 14, "tick", "end")]
    for k, (label, counts) in enumerate(series):
        inset = wide * (0.06 + 0.2 * k)
        for i, count in enumerate(counts):
            if count:
                tall = max(count * (HEIGHT - 10) / top, 1)
                span = f"from {short_number(edges[i])} to {short_number(edges[i + 1])}"
                tip = f"{label}: {how_many(count, 'row')} {span}"
                parts.append(
                    mark(LEFT + i * wide + inset, HEIGHT - tall, wide - 2 * inset, tall, f"s{k}", tip)
                )
    parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT, y2=HEIGHT, class_="axis"))
    for i, anchor in ((0, "start"), (bins // 2, "middle"), (bins, "end")):
        if i == 0 or bins > 1:
            parts.append(text(short_number(edges[i]), LEFT + i * wide, HEIGHT + 15, "tick", anchor))
    return chart(name, title, f"{bins} bins.", HEIGHT + 22, *parts, width=WIDTH)


def plane(
    name: str, title: str, about: str, points: Sequence[tuple[float, float, int]], axes: tuple[str, str],
    tones: Sequence[str], diagonal: bool = False,
) -> str:  # fmt: skip
    """Points (x, y, group); the axes reach from the smallest to the largest value, by powers where far apart.

    `tones` are the groups' CSS classes, in drawing order; `diagonal` draws the line where x = y.
    """
    flat = [v for x, y, _ in points for v in (x, y)]
    log = min(flat, default=1) > 0 and max(flat, default=1) > 20 * min(flat, default=1)
    both = diagonal  # one scale for both axes, so that the diagonal means what it says
    x_of, x_marks = _scale(flat if both else [x for x, _, _ in points], log)
    y_of, y_marks = _scale(flat if both else [y for _, y, _ in points], log)
    size, high = PLANE - PLANE_LEFT - 12, PLANE - PLANE_BOTTOM - 8
    parts = [tag("rect", x=PLANE_LEFT, y=8, width=size, height=high, class_="frame", rx=4)]
    for value in x_marks:
        at = PLANE_LEFT + x_of(value) * size
        parts.append(tag("line", x1=at, x2=at, y1=8, y2=8 + high, class_="grid"))
        parts.append(text(short_number(value), at, 8 + high + 15, "tick", "middle"))
    for value in y_marks:
        at = 8 + (1 - y_of(value)) * high
        parts.append(tag("line", x1=PLANE_LEFT, x2=PLANE_LEFT + size, y1=at, y2=at, class_="grid"))
        parts.append(text(short_number(value), PLANE_LEFT - 6, at + 4, "tick", "end"))
    if diagonal:
        parts.append(tag("line", x1=PLANE_LEFT, y1=8 + high, x2=PLANE_LEFT + size, y2=8, class_="reference"))
    for k, tone in enumerate(tones):
        path = "".join(
            f"M{PLANE_LEFT + x_of(x) * size:.0f} {8 + (1 - y_of(y)) * high:.0f}h0"
            for x, y in sorted({(x, y) for x, y, group in points if group == k})
        )
        if path:
            parts.append(tag("path", d=path, class_=f"dots {tone}"))
    middle = 8 + high / 2
    parts.append(text(axes[0], PLANE_LEFT + size / 2, PLANE - 6, "small", "middle"))
    parts.append(text(axes[1], 12, middle, "small", "middle", transform=f"rotate(-90 12 {middle:.1f})"))
    return chart(name, title, about, PLANE, *parts, width=PLANE)


class _Linear:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.span = low, (high - low) or 1.0

    def __call__(self, value: float) -> float:
        return (value - self.low) / self.span


class _Log(_Linear):
    def __init__(self, low: float, high: float) -> None:
        super().__init__(math.log(low), math.log(high))

    def __call__(self, value: float) -> float:
        return super().__call__(math.log(value))


def _scale(values: Sequence[float], log: bool) -> tuple[_Linear, list[float]]:
    """Return where a value stands in [0, 1], and the values that get a mark."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        low, high = low * 0.9 - (0 if log else 1), high * 1.1 + 1
    if not log:
        marks = [m for m in ticks(low, high, 4) if low <= m <= high]
        return _Linear(low, high), marks
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high > 1000 * low else (1, 3) if high > 30 * low else (1, 2, 5)
    return _Log(low, high), [m * 10.0**k for k in decades for m in steps if low <= m * 10.0**k <= high]
