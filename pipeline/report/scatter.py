"""Small charts of points and shapes: the map of the rows, and a column's histogram in one line."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.svg import chart, escape, tag

SIZE, TINY_WIDTH, TINY_HEIGHT = 320.0, 96.0, 22.0


def scatter(
    name: str,
    title: str,
    about: str,
    xy: Sequence[tuple[float, float]],
    group: Sequence[int],
    tones: Sequence[str],
) -> str:
    """Points in the unit square, one path a group; `tones` are the groups' CSS classes, in drawing order."""
    parts = [tag("rect", x=0, y=0, width=SIZE, height=SIZE, class_="frame", rx=4)]
    for k, tone in enumerate(tones):
        points = [p for p, g in zip(xy, group, strict=True) if g == k]
        path = "".join(f"M{8 + x * (SIZE - 16):.0f} {SIZE - 8 - y * (SIZE - 16):.0f}h0" for x, y in points)
        if path:
            parts.append(tag("path", d=path, class_=f"dots {tone}"))
    return chart(name, title, about, SIZE, *parts, width=SIZE)


def tiny_histogram(title: str, counts: Sequence[int]) -> str:
    """A histogram without axes, for a cell of a table."""
    top, wide = max(counts, default=0) or 1, TINY_WIDTH / max(len(counts), 1)
    tall = [max(c * TINY_HEIGHT / top, 0.8) if c else 0 for c in counts]
    bars = [tag("rect", x=i * wide, y=TINY_HEIGHT - t, width=wide - 1, height=t) for i, t in enumerate(tall)]
    return tag("svg", tag("title", escape(title)), *bars, viewBox=f"0 0 {TINY_WIDTH:.0f} {TINY_HEIGHT:.0f}",
               class_="tiny", role="img")  # fmt: skip
