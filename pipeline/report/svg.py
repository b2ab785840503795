"""Static SVG charts: no script, every string escaped, colours from the page's CSS so that light and dark both work.

Each chart is one `<svg role="img">` with a title and a description; each mark says its number on hover.
`name` is the chart's id and comes from our code, never from data.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.report.visible import visible

WIDTH, LABEL, RIGHT = 720, 168, 76  # units of the view box: whole chart, room for names, room for numbers
Format = Callable[[float], str]


class Dot(NamedTuple):
    """One estimate with its interval in a forest plot; `low` and `high` None when there is none."""

    label: str
    series: int
    value: float
    low: float | None = None
    high: float | None = None


def tag(element: str, *children: str, **attributes: object) -> str:
    """Return an element; children are markup, attribute values are escaped.

    >>> tag("rect", x=1.5, class_="a\\"b")
    '<rect x="1.5" class="a&quot;b"></rect>'
    """
    pairs = "".join(f' {k.rstrip("_").replace("_", "-") if k != "viewBox" else k}="{_value(v)}"'
                    for k, v in attributes.items() if v is not None)
    return f"<{element}{pairs}>{''.join(children)}</{element}>"


def text(words: str, x: float, y: float, class_: str = "", anchor: str = "start", **more: object) -> str:
    """Return a text element with its content escaped."""
    return tag("text", escape(words), x=x, y=y, class_=class_ or None, text_anchor=anchor, **more)


def chart(name: str, title: str, about: str, height: float, *parts: str, width: float = WIDTH) -> str:
    """Return the outer element with its title and description."""
    return tag("svg", tag("title", escape(title), id=f"{name}-t"), tag("desc", escape(about), id=f"{name}-d"),
               *parts, viewBox=f"0 0 {_value(width)} {_value(height)}", class_="chart", role="img",
               aria_labelledby=f"{name}-t {name}-d")


def bars(
    name: str, title: str, about: str, rows: Sequence[tuple[str, Sequence[float | None]]], series: Sequence[str],
    show: Format = lambda v: f"{v:,.0f}",
) -> str:  # fmt: skip
    """Horizontal bars from zero, one a series, side by side under each name."""
    top = max((v for _, values in rows for v in values if v is not None), default=0) or 1
    scale = (WIDTH - LABEL - RIGHT) / top
    thick = 13 if len(series) > 1 else 16
    parts, y = [], 4.0
    for label, values in rows:
        parts.append(_name(label, y + thick * len(series) / 2 + 4))
        for k, value in enumerate(values):
            if value is not None:
                tip = f"{label}, {series[k]}: {show(value)}"
                parts.append(_rect(LABEL, y, max(value * scale, 1), thick - 2, f"s{k}", tip))
                parts.append(text(show(value), LABEL + value * scale + 6, y + thick - 4, "num"))
            y += thick
        y += 8
    parts.append(tag("line", x1=LABEL, x2=LABEL, y1=0, y2=y - 4, class_="axis"))
    return chart(name, title, about, y, *parts)


def waterfall(
    name: str, title: str, about: str, rows_in: int, steps: Sequence[tuple[str, int, int]], rows_out: int
) -> str:
    """How `rows_in` became `rows_out`: (stage, dropped, added) one under the other, drops and additions floating."""
    level, peak = rows_in, max(rows_in, rows_out, 1)
    for _, dropped, added in steps:
        level += added - dropped
        peak = max(peak, level + dropped)
    scale, row = (WIDTH - LABEL - RIGHT - 30) / peak, 26
    parts = [_name("rows in", 19), _rect(LABEL, 6, rows_in * scale, 18, "s0", f"rows in: {rows_in:,}"),
             text(f"{rows_in:,}", LABEL + rows_in * scale + 6, 19, "num strong")]
    level, y = rows_in, 6 + row
    for label, dropped, added in steps:
        kept = level - dropped
        after = kept + added
        parts.append(tag("line", x1=LABEL + level * scale, x2=LABEL + level * scale, y1=y - 8, y2=y + 18, class_="step"))
        parts.append(_name(label, y + 13))
        parts.append(_rect(LABEL, y + 7, kept * scale, 4, "rail", f"{label}: {kept:,} kept"))
        if dropped:
            parts.append(_rect(LABEL + kept * scale, y, max(dropped * scale, 1.5), 18, "drop", f"{label}: {dropped:,} dropped"))
        if added:
            parts.append(_rect(LABEL + kept * scale, y, max(added * scale, 1.5), 18, "add", f"{label}: {added:,} added"))
        says = " ".join(s for s in (f"−{dropped:,}" if dropped else "", f"+{added:,}" if added else "") if s)
        parts.append(text(says or "·", LABEL + max(level, after) * scale + 6, y + 13, "num" if says else "num faint"))
        level, y = after, y + row
    parts += [_name("rows out", y + 13), _rect(LABEL, y, rows_out * scale, 18, "s1", f"rows out: {rows_out:,}"),
              text(f"{rows_out:,}", LABEL + rows_out * scale + 6, y + 13, "num strong")]
    return chart(name, title, about, y + 24, *parts)


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
            parts.append(_name(dot.label, y + 8 * same + 4))
            last = dot.label
        says = show(dot.value) + (f"  [{show(dot.low)}, {show(dot.high)}]" if dot.low is not None and dot.high is not None else "")
        mark = [tag("title", escape(f"{dot.label}: {says}"))]
        if dot.low is not None and dot.high is not None:
            mark.append(tag("line", x1=place(dot.low), x2=place(dot.high), y1=y + 8, y2=y + 8, class_="whisker"))
        shape = {"x": place(dot.value) - 4.5, "y": y + 3.5, "width": 9, "height": 9, "rx": 4.5 * dot.series}
        parts.append(tag("g", *mark, tag("rect", **shape), class_=f"s{dot.series}"))
        parts.append(text(says, WIDTH, y + 12, "num small", "end"))
        y += 16
    y += 8
    axis = [tag("line", x1=place(m), x2=place(m), y1=2, y2=y, class_="grid")
            + text(show(m), place(m), y + 15, "tick", "middle") for m in marks]
    if reference is not None:
        axis.append(tag("line", x1=place(reference), x2=place(reference), y1=0, y2=y, class_="reference"))
    return chart(name, title, about, y + 22, *axis, *parts)


def histogram(
    name: str, title: str, about: str, edges: Sequence[float], series: Sequence[tuple[str, Sequence[int]]],
    x_label: str, threshold: float | None = None,
) -> str:  # fmt: skip
    """Upright bars of equal width, one a bin; the first series is filled, a second is drawn inside it."""
    left, height, bins = 52, 180, len(edges) - 1
    top = max((c for _, counts in series for c in counts), default=0) or 1
    wide = (WIDTH - left - 16) / max(bins, 1)
    parts = [tag("line", x1=left, x2=WIDTH - 16, y1=height - m * (height - 16) / top, y2=height - m * (height - 16) / top,
                 class_="grid") + text(f"{m:,.0f}", left - 6, height - m * (height - 16) / top + 4, "tick", "end")
             for m in ticks(0, top, 3) if m <= top]
    for k, (label, counts) in enumerate(series):
        inset = wide * (0.06 + 0.2 * k)
        for i, count in enumerate(counts):
            if count:
                tall = max(count * (height - 16) / top, 1)
                tip = f"{label}: {count:,} rows from {short_number(edges[i])} to {short_number(edges[i + 1])}"
                parts.append(_rect(left + i * wide + inset, height - tall, wide - 2 * inset, tall, f"s{k}", tip))
    every = max(1, math.ceil(bins / 8))
    parts += [text(short_number(edges[i]), left + i * wide, height + 16, "tick", "middle") for i in range(0, bins + 1, every)]
    parts.append(tag("line", x1=left, x2=WIDTH - 16, y1=height, y2=height, class_="axis"))
    if threshold is not None and edges[0] <= threshold <= edges[-1]:
        i = max((i for i in range(bins) if edges[i] <= threshold), default=0)
        x = left + wide * (i + (threshold - edges[i]) / ((edges[i + 1] - edges[i]) or 1))
        parts.append(tag("line", x1=x, x2=x, y1=0, y2=height, class_="reference"))
        parts.append(text(f"threshold {short_number(threshold)}", x + 6, 12, "small"))
    parts.append(text(x_label, (left + WIDTH) / 2, height + 36, "small", "middle"))
    return chart(name, title, about, height + 44, *parts)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that cover [low, high].

    >>> ticks(0.62, 0.97)
    [0.6, 0.7, 0.8, 0.9, 1.0]
    """
    span = (high - low) or abs(high) or 1.0
    size = 10 ** math.floor(math.log10(span / about))
    step = next(size * m for m in (1, 2, 2.5, 5, 10, 20) if span / (size * m) <= about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def short_number(value: float) -> str:
    """Return a number in few characters.

    >>> short_number(0.25), short_number(12.3), short_number(45678)
    ('0.25', '12.3', '45,678')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _linear(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    return lambda v: left + (min(max(v, low), high) - low) / ((high - low) or 1) * (right - left)


def _rect(x: float, y: float, width: float, height: float, class_: str, tip: str) -> str:
    return tag("rect", tag("title", escape(tip)), x=x, y=y, width=max(width, 0), height=height, class_=class_, rx=1.5)


def _name(label: str, y: float) -> str:
    shown = visible(label)
    return text(shown if len(shown) <= 24 else shown[:23] + "…", LABEL - 10, y, "name", "end")


def escape(words: str) -> str:
    """Return words as markup: invisible characters shown, the five dangerous ones escaped."""
    return html.escape(visible(str(words)), quote=True)


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))
