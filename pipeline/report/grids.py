"""Square charts: a matrix of counts, and a reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.svg import chart, escape, tag, text
from pipeline.report.visible import visible
from pipeline.words import how_many


def heatmap(
    name: str, title: str, about: str, rows: Sequence[str], columns: Sequence[str],
    counts: Sequence[Sequence[int]], axes: tuple[str, str],
) -> str:  # fmt: skip
    """A matrix of counts (len(rows), len(columns)), shaded by share of the row, the diagonal framed."""
    cell, high, left, top = min(46.0, 560 / max(len(columns), 1)), 28.0, 140, _room(columns)
    parts = [text(f"{axes[0]} ↓   {axes[1]} →", left - 10, top - 10, "small", "end")]
    for j, column in enumerate(columns):
        x = left + j * cell + cell / 2
        parts.append(text(_cut(column), x, top - 8, "name", transform=f"rotate(-40 {x:.1f} {top - 8})"))
    for i, row in enumerate(rows):
        y, total = top + i * high, sum(counts[i]) or 1
        parts.append(text(_cut(row), left - 10, y + high / 2 + 4, "name", "end"))
        for j, count in enumerate(counts[i]):
            share, x = count / total, left + j * cell
            tip = tag(
                "title",
                escape(
                    f"{axes[0]} {row}, {axes[1]} {columns[j]}: {count:,} ({100 * share:.1f} % of the row)"
                ),
            )
            shade = tag(
                "rect",
                x=x + 1,
                y=y + 1,
                width=cell - 2,
                height=high - 2,
                rx=2,
                fill_opacity=round(share, 3),
                class_="heat diagonal" if row == columns[j] else "heat",
            )
            number = text(
                f"{count:,}",
                x + cell / 2,
                y + high / 2 + 4,
                "num middle" + (" on" if share > 0.7 else ""),
                "middle",
            )
            parts.append(tag("g", tip, shade, number if count else ""))
    width = max(left + len(columns) * cell + 44, 320)
    return chart(name, title, about, top + len(rows) * high + 8, *parts, width=width)


def signed_heatmap(
    name: str, title: str, about: str, names: Sequence[str], values: Sequence[Sequence[float | None]]
) -> str:
    """A matrix of numbers in [-1, 1], (len(names), len(names)): two colours by sign, shaded by size."""
    cell, high, left, top = min(52.0, 560 / max(len(names), 1)), 28.0, 124, _room(names)
    parts = []
    for j, column in enumerate(names):
        x = left + j * cell + cell / 2
        parts.append(text(_cut(column), x, top - 8, "name", transform=f"rotate(-40 {x:.1f} {top - 8})"))
    for i, row in enumerate(names):
        y = top + i * high
        parts.append(text(_cut(row), left - 10, y + high / 2 + 4, "name", "end"))
        for j, value in enumerate(values[i]):
            if value is None:
                continue
            says, x = f"{value:+.2f}".replace("-", "−"), left + j * cell
            tip = tag("title", escape(f"{row} and {names[j]}: r = {says}"))
            tone = "heat" if value >= 0 else "heat minus"
            shade = tag("rect", x=x + 1, y=y + 1, width=cell - 2, height=high - 2, rx=2,
                        fill_opacity=round(abs(value), 3), class_=tone)  # fmt: skip
            on = " on" if abs(value) > 0.7 else ""
            number = text(says, x + cell / 2, y + high / 2 + 4, "num middle" + on, "middle")
            parts.append(tag("g", tip, shade, number))
    width = max(left + len(names) * cell + 44, 320)
    return chart(name, title, about, top + len(names) * high + 8, *parts, width=width)


def reliability(
    name: str, title: str, about: str, series: Sequence[tuple[str, Sequence[tuple[float, float, int]]]]
) -> str:
    """Confidence against accuracy, (confidence, accuracy, rows) a point; on the diagonal they agree."""
    size, left, top = 260.0, 60.0, 12.0

    def x(v: float) -> float:
        return left + min(max(v, 0.0), 1.0) * size

    def y(v: float) -> float:
        return top + (1 - min(max(v, 0.0), 1.0)) * size

    parts = []
    for m in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(tag("line", x1=x(m), x2=x(m), y1=y(0), y2=y(1), class_="grid"))
        parts.append(tag("line", x1=x(0), x2=x(1), y1=y(m), y2=y(m), class_="grid"))
        parts.append(text(f"{100 * m:.0f} %", x(m), y(0) + 16, "tick", "middle"))
        parts.append(text(f"{100 * m:.0f} %", x(0) - 6, y(m) + 4, "tick", "end"))
    parts.append(tag("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="reference"))
    most = max((n for _, points in series for _, _, n in points), default=1) or 1
    for k, (label, points) in enumerate(series):
        line = " ".join(f"{x(c):.1f},{y(a):.1f}" for c, a, _ in points)
        dots = [
            tag(
                "circle",
                tag(
                    "title",
                    escape(f"{label}: confidence {100 * c:.0f} %, accuracy {100 * a:.0f} %, "
                           f"{how_many(n, 'row')}"),
                ),
                cx=x(c),
                cy=y(a),
                r=3.0 + 5 * (n / most) ** 0.5,
            )
            for c, a, n in points
        ]
        parts.append(tag("g", tag("polyline", points=line, class_="line"), *dots, class_=f"s{k}"))
    parts.append(text("confidence", x(0.5), y(0) + 34, "small", "middle"))
    parts.append(text("accuracy", 12, y(0.5), "small", "middle", transform=f"rotate(-90 12 {y(0.5):.1f})"))
    return chart(name, title, about, top + size + 44, *parts, width=left + size + 24)


def _room(names: Sequence[str]) -> float:
    """Return the height that names turned by 40 degrees take above the columns."""
    return 24.0 + 4.6 * max((len(_cut(name)) for name in names), default=1)


def _cut(label: str) -> str:
    shown = visible(label)
    return shown if len(shown) <= 16 else shown[:15] + "…"
