"""Charts made of bars: rows by class, rows by stage, histograms."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.svg import (
    LABEL,
    RIGHT,
    WIDTH,
    Format,
    chart,
    mark,
    name_beside,
    short_number,
    tag,
    text,
    ticks,
)
from pipeline.words import how_many


def bars(
    name: str, title: str, about: str, rows: Sequence[tuple[str, Sequence[float | None]]],
    series: Sequence[str], show: Format = lambda v: f"{v:,.0f}",
) -> str:  # fmt: skip
    """Horizontal bars from zero, one a series, side by side under each name."""
    top = max((v for _, values in rows for v in values if v is not None), default=0) or 1
    scale = (WIDTH - LABEL - RIGHT) / top
    thick = 13 if len(series) > 1 else 16
    parts, y = [], 4.0
    for label, values in rows:
        parts.append(name_beside(label, y + thick * len(series) / 2 + 4))
        for k, value in enumerate(values):
            if value is not None:
                tip = f"{label}, {series[k]}: {show(value)}"
                parts.append(mark(LABEL, y, max(value * scale, 1), thick - 2, f"s{k}", tip))
                parts.append(text(show(value), LABEL + value * scale + 6, y + thick - 4, "num"))
            y += thick
        y += 8
    parts.append(tag("line", x1=LABEL, x2=LABEL, y1=0, y2=y - 4, class_="axis"))
    return chart(name, title, about, y, *parts)


def waterfall(
    name: str, title: str, about: str, rows_in: int, steps: Sequence[tuple[str, int, int]], rows_out: int
) -> str:
    """How `rows_in` became `rows_out`: (stage, dropped, added) one under the other, changes floating."""
    level, peak = rows_in, max(rows_in, rows_out, 1)
    for _, dropped, added in steps:
        level += added - dropped
        peak = max(peak, level + dropped)
    scale, row = (WIDTH - LABEL - RIGHT - 30) / peak, 26
    parts = [
        name_beside("rows in", 19),
        mark(LABEL, 6, rows_in * scale, 18, "s0", f"rows in: {rows_in:,}"),
        text(f"{rows_in:,}", LABEL + rows_in * scale + 6, 19, "num strong"),
    ]
    level, y = rows_in, 6 + row
    for label, dropped, added in steps:
        kept = level - dropped
        after = kept + added
        parts.append(
            tag(
                "line", x1=LABEL + level * scale, x2=LABEL + level * scale, y1=y - 8, y2=y + 18, class_="step"
            )
        )
        parts.append(name_beside(label, y + 13))
        parts.append(mark(LABEL, y + 7, kept * scale, 4, "rail", f"{label}: {kept:,} kept"))
        if dropped:
            parts.append(
                mark(
                    LABEL + kept * scale,
                    y,
                    max(dropped * scale, 1.5),
                    18,
                    "drop",
                    f"{label}: {dropped:,} dropped",
                )
            )
        if added:
            parts.append(
                mark(LABEL + kept * scale, y, max(added * scale, 1.5), 18, "add", f"{label}: {added:,} added")
            )
        says = " ".join(s for s in (f"−{dropped:,}" if dropped else "", f"+{added:,}" if added else "") if s)
        parts.append(
            text(says or "·", LABEL + max(level, after) * scale + 6, y + 13, "num" if says else "num faint")
        )
        level, y = after, y + row
    parts += [
        name_beside("rows out", y + 13),
        mark(LABEL, y, rows_out * scale, 18, "s1", f"rows out: {rows_out:,}"),
        text(f"{rows_out:,}", LABEL + rows_out * scale + 6, y + 13, "num strong"),
    ]
    return chart(name, title, about, y + 24, *parts)


def histogram(
    name: str, title: str, about: str, edges: Sequence[float], series: Sequence[tuple[str, Sequence[int]]],
    x_label: str, threshold: float | None = None, threshold_name: str = "threshold",
) -> str:  # fmt: skip
    """Upright bars of equal width, one a bin; the first series is filled, a second is drawn inside it."""
    left, height, bins = 52, 180, len(edges) - 1
    top = max((c for _, counts in series for c in counts), default=0) or 1
    wide = (WIDTH - left - 16) / max(bins, 1)
    parts = [
        tag(
            "line",
            x1=left,
            x2=WIDTH - 16,
            y1=height - m * (height - 16) / top,
            y2=height - m * (height - 16) / top,
            class_="grid",
        )
        + text(f"{m:,.0f}", left - 6, height - m * (height - 16) / top + 4, "tick", "end")
        for m in ticks(0, top, 3)
        if m <= top
    ]
    for k, (label, counts) in enumerate(series):
        inset = wide * (0.06 + 0.2 * k)
        for i, count in enumerate(counts):
            if count:
                tall = max(count * (height - 16) / top, 1)
                span = f"from {short_number(edges[i])} to {short_number(edges[i + 1])}"
                tip = f"{label}: {how_many(count, 'row')} {span}"
                parts.append(
                    mark(left + i * wide + inset, height - tall, wide - 2 * inset, tall, f"s{k}", tip)
                )
    every = next((k for k in range(1, bins + 1) if bins % k == 0 and bins // k <= 8), 1)
    parts += [
        text(short_number(edges[i]), left + i * wide, height + 16, "tick", "middle")
        for i in range(0, bins + 1, every)
    ]
    parts.append(tag("line", x1=left, x2=WIDTH - 16, y1=height, y2=height, class_="axis"))
    if threshold is not None and edges[0] <= threshold <= edges[-1]:
        i = max((i for i in range(bins) if edges[i] <= threshold), default=0)
        x = left + wide * (i + (threshold - edges[i]) / ((edges[i + 1] - edges[i]) or 1))
        parts.append(tag("line", x1=x, x2=x, y1=0, y2=height, class_="reference"))
        parts.append(text(f"{threshold_name} {short_number(threshold)}", x + 6, 12, "small"))
    parts.append(text(x_label, (left + WIDTH) / 2, height + 36, "small", "middle"))
    return chart(name, title, about, height + 44, *parts)
