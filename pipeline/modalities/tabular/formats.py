"""Numbers as people write them: with units, thousands separators, per cent and currency signs.

A column is *read* as numbers with a unit only where that loses nothing: one unit (or several of one
dimension) stands behind at least nine in ten of its filled cells. `7 am`, `3rd` and `12 Monkeys` are words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

NUMERIC_SHARE = 0.9  # of the filled cells of a string column that must be numbers for it to hold numbers
_AROUND = (
    r"(?P<before>[$€£¥]?)\s*(?P<number>[+-]?(?:%s)(?:[eE][+-]?[0-9]+)?)"
    r"\s*(?P<after>(?:[%%°$€£¥]|[^\W\d_])[^\d,;:/]{0,24})?"
)
_WRITTEN = re.compile(_AROUND % r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?")
_WRITTEN_WITH_COMMA = re.compile(_AROUND % r"(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+),[0-9]+|[0-9]+")
_COMMA_SHARE = 0.1  # of numbers with commas, those that have no other reading
_NO_UNITS = frozenset({"st", "nd", "rd", "th", "am", "pm", "a.m", "p.m", "e", "x"})
_SPELT = {
    "oz": "ounce ounces", "g": "gram grams", "kg": "kilogram kilograms kgs", "lb": "lbs pound pounds",
    "in": "inch inches", "ft": "foot feet", "m": "meter meters metre metres", "%": "percent pct",
    "year": "years yr yrs", "month": "months", "week": "weeks", "day": "days", "h": "hr hrs hour hours",
    "min": "mins minute minutes", "s": "sec secs second seconds", "l": "liter liters litre litres",
    "$": "dollars usd", "€": "euro euros eur", "£": "gbp",
}  # fmt: skip
_SAME = {word: unit for unit, words in _SPELT.items() for word in words.split()}
_DIGITS, _GROUPS = re.compile(r"[0-9]+(?:\.[0-9]+)*"), re.compile(r"0(?:,0)+")
_EXCHANGED = str.maketrans(".,", ",.")
_SIZES = {
    "length": {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3, "in": 0.0254, "ft": 0.3048},
    "mass": {"mg": 1e-6, "g": 1e-3, "kg": 1.0, "oz": 0.028349523125, "lb": 0.45359237},
    "volume": {"ml": 1e-3, "cl": 1e-2, "l": 1.0},
    "time": {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
}


class Written(NamedTuple):
    """A number and its unit as one word, "" for none."""

    value: float
    unit: str


def as_number(cell: Any) -> float:
    """Return a string as a number, NaN when it is none; only plain ASCII forms count.

    >>> as_number(" 1e3 "), as_number("?"), as_number("inf"), as_number("1_000")
    (1000.0, nan, nan, nan)
    """
    if not isinstance(cell, str) or not cell.isascii() or "_" in cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def written(cell: str, decimal: str = ".") -> Written | None:
    """Return a cell as a number and its unit; None when it is anything else.

    decimal : the sign before the decimals; the other of point and comma parts thousands.

    >>> written("12.0 oz. Silo Can"), written("1,234.5"), written("$5"), written("5 %")
    (Written(value=12.0, unit='oz'), Written(value=1234.5, unit=''), Written(value=5.0, unit='$'), \
Written(value=5.0, unit='%'))
    >>> written("3rd"), written("7 am"), written("2024-01-02"), written("007 kg"), written("10:30")
    (None, None, None, None, None)
    >>> written("0,655"), written("0,655", decimal=","), written("1.234,5 kg", decimal=",")
    (None, Written(value=0.655, unit=''), Written(value=1234.5, unit='kg'))
    """
    found = (_WRITTEN if decimal == "." else _WRITTEN_WITH_COMMA).fullmatch(cell.strip())
    if found is None or is_code(found["number"]):
        return None
    before, after = found["before"], found["after"] or ""
    word = after.split()[0].rstrip(".").casefold() if after else ""
    if word in _NO_UNITS or (before and after):
        return None
    number = found["number"] if decimal == "." else found["number"].translate(_EXCHANGED)
    value = float(number.replace(",", ""))
    return Written(value, before or _SAME.get(word, word)) if math.isfinite(value) else None


def is_code(cell: str) -> bool:
    """Whether a number has leading zeros, as codes have.

    >>> is_code("007"), is_code("0.5"), is_code("0")
    (True, False, False)
    """
    digits = cell.strip().lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


def reading(cells: Mapping[str, int]) -> dict[str, Any] | None:
    """Return how to read the filled cells of a string column as numbers, or None where they are words.

    {"unit": the usual one or "", "factors": {unit: what a number with it is multiplied by}}, and "decimal":
    "," where commas stand before the decimals, see `_decimal`. "forms": those that most cells have which
    could, see `form`: a number so written follows its column. Numbers without
    a unit count as having the usual one. Where some cells are per cent and others plain, `5%` is 5 or 0.05,
    whichever is closer in size to the plain ones.

    >>> reading({"12 oz": 5, "8.4 ounce": 2})
    {'unit': 'oz', 'factors': {'': 1.0, 'oz': 1.0}, 'forms': ['0oz']}
    >>> reading({"0.05": 9, "6%": 2}), reading({"7 kg": 5, "7 pts": 5})
    ({'unit': '%', 'factors': {'': 1.0, '%': 0.01}, 'forms': []}, None)
    """
    decimal = _decimal(cells)
    if decimal is None:
        return None
    total, plain, units = sum(cells.values()), 0, Counter[str]()
    sizes: dict[str, list[float]] = {}
    for cell, times in cells.items():
        known = written(cell, decimal)
        if known is None and not is_code(cell) and not math.isnan(value := as_number(cell)):
            known = Written(value, "")
        if known is None:
            continue
        plain += times if known.unit == "" else 0
        units[known.unit] += times
        sizes.setdefault(known.unit, []).append(abs(known.value))
    named = sorted((u for u in units if u), key=lambda u: (-units[u], u))
    unit = named[0] if named else ""
    factors = {"": 1.0, unit: 1.0}
    if unit == "%" and plain:
        factors["%"] = _per_cent(sizes["%"], sizes[""])
    if not plain:
        factors |= {u: f for u in named if (f := _factor(u, unit)) is not None}
    share = sum(units[u] for u in factors) / total if total else 0.0
    how = {"unit": unit, "factors": factors, **({"decimal": decimal} if decimal != "." else {})}
    how["forms"] = _usual_forms(cells, how)
    return how if share >= NUMERIC_SHARE else None


def _decimal(cells: Mapping[str, int]) -> str | None:
    """Return the sign before the decimals of a column, None where its cells do not tell.

    `1,792` may be either. `0,655` and `42,5` can only be decimals, `1,234.5` and `1,234,567` only thousands.
    A comma is read as decimal where one in ten commas can be nothing else and no cell says otherwise.
    """
    decimals = thousands = points = either = 0
    for cell, times in cells.items():
        one, other = written(cell), written(cell, ",")
        if "," not in cell:
            points += times * ("." in cell and one is not None)
        elif one is not None and other is not None:
            either += times
        else:
            decimals += times * (other is not None)
            thousands += times * (one is not None)
    if decimals <= _COMMA_SHARE**2 * thousands:
        return "."
    enough = decimals >= _COMMA_SHARE * (decimals + either)
    return "," if enough and not thousands and not points else None


def read(cell: Any, how: Mapping[str, Any]) -> float:
    """Return a string cell as a number under a column's reading, NaN when it is none.

    >>> how = {"unit": "%", "factors": {"": 1.0, "%": 0.01}}
    >>> read("5%", how), read("5 kg", how)
    (0.05, nan)
    """
    if not isinstance(cell, str):
        return math.nan
    if not math.isnan(value := as_number(cell)):
        return value
    known = written(cell, how.get("decimal", "."))
    if known is None or known.unit not in how["factors"]:
        return math.nan
    return float(f"{known.value * how['factors'][known.unit]:.15g}")


def form(cell: str) -> str:
    """Return how a number is written, whatever the number: what stands around it, and whether with commas.

    >>> form("12.5 oz"), form("1,234,567.5"), form("$5"), form("-7")
    ('0oz', '0,0', '$0', '0')
    """
    return _GROUPS.sub("0,0", _DIGITS.sub("0", "".join(cell.split()).lstrip("+-").casefold()))


def _usual_forms(cells: Mapping[str, int], how: Mapping[str, Any]) -> list[str]:
    """Forms, but for the plain one, that most of the cells have which could: below 1,000 no comma is due."""
    times, could, total = Counter[str](), Counter[str](), sum(cells.values())
    for cell, n in cells.items():
        times[form(cell)] += n
        if "," not in cell and abs(read(cell, how)) >= 1000:
            could[form(cell)] += n
    return sorted(
        one for one, n in times.items()
        if one != "0" and n > (could[one.replace("0,0", "0")] if "0,0" in one else total - n)
    )  # fmt: skip


def as_text(value: float) -> str:
    """Return a number as a plain reader writes it.

    >>> as_text(12.0), as_text(0.10400000000000001), as_text(1e20)
    ('12', '0.104', '1e+20')
    """
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.15g}"


def _per_cent(with_sign: list[float], without: list[float]) -> float:
    """1 or 0.01, whichever brings the median of the numbers with a sign closer to that of those without."""
    one, other = _median(with_sign), _median(without)
    if one <= 0 or other <= 0:
        return 1.0
    return min((1.0, 0.01), key=lambda f: abs(math.log(f * one / other)))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _factor(unit: str, usual: str) -> float | None:
    for sizes in _SIZES.values():
        if unit in sizes and usual in sizes:
            return sizes[unit] / sizes[usual]
    return None
