"""Static SVG: no script, every string escaped, colours from the page's CSS so that light and dark both work.

Each chart is one `<svg role="img">` with a title and a description; each mark says its number on hover.
`name` is the chart's id and comes from our code, never from data.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable

from pipeline.report.visible import visible

WIDTH, LABEL, RIGHT = 720, 168, 76  # units of the view box: whole chart, room for names, room for numbers
Format = Callable[[float], str]


def tag(element: str, *children: str, **attributes: object) -> str:
    r"""Return an element; children are markup, attribute values are escaped.

    >>> tag("rect", x=1.5, class_='a"b')
    '<rect x="1.5" class="a&quot;b"></rect>'
    """
    pairs = "".join(
        f' {k.rstrip("_").replace("_", "-") if k != "viewBox" else k}="{_value(v)}"'
        for k, v in attributes.items()
        if v is not None
    )
    return f"<{element}{pairs}>{''.join(children)}</{element}>"


def text(words: str, x: float, y: float, class_: str = "", anchor: str = "start", **more: object) -> str:
    """Return a text element with its content escaped."""
    return tag("text", escape(words), x=x, y=y, class_=class_ or None, text_anchor=anchor, **more)


def chart(name: str, title: str, about: str, height: float, *parts: str, width: float = WIDTH) -> str:
    """Return the outer element with its title and description."""
    return tag(
        "svg",
        tag("title", escape(title), id=f"{name}-t"),
        tag("desc", escape(about), id=f"{name}-d"),
        *parts,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        class_="chart",
        role="img",
        style=f"max-width: {width:.0f}px; min-width: {0.7 * width:.0f}px",
        aria_labelledby=f"{name}-t {name}-d",
    )


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


def mark(x: float, y: float, width: float, height: float, class_: str, tip: str) -> str:
    """Return a rectangle that says its number on hover."""
    return tag(
        "rect", tag("title", escape(tip)), x=x, y=y, width=max(width, 0), height=height, class_=class_, rx=1.5
    )


def name_beside(label: str, y: float) -> str:
    """Return a name, cut where it is long, left of the chart."""
    shown = visible(label)
    return text(shown if len(shown) <= 22 else shown[:21] + "…", LABEL - 10, y, "name", "end")


def escape(words: str) -> str:
    """Return words as markup: invisible characters shown, the five dangerous ones escaped."""
    return html.escape(visible(str(words)), quote=True)


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))
