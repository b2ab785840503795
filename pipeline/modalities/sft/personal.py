"""Personal data in texts: addresses, numbers that check out, keys."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import cache

from pipeline.abilities import Fault

_CARD = re.compile(r"(?<![\d.,-])(?:\d[ -]?){12,18}\d(?![\d-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_NOBODY = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|test|invalid|localhost)$"
                     r"|^(?:user|name|email)@", re.IGNORECASE)
_PATH = re.compile(r"https?://[^\s?#\"'<>]+")  # a page's address is no key; what follows its "?" may be
_RESOLVERS = frozenset(("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9"))  # everybody's
_HINT = re.compile(r"@|\d[\d .()-]{5,}\d|[\w+/-]{19}|PRIVATE KEY")


def faults(texts: Sequence[str], action: str) -> Iterator[Fault]:
    """Yield the rows that hold personal data, with what kind and how many; never the data itself."""
    for i, text in enumerate(texts):
        if found := kinds(text):
            said = ", ".join(f"{n} {what}{'s' if n > 1 else ''}" for what, n in sorted(found.items()))
            yield Fault(i, "personal_data", 0.2, action, f"holds {said}")


def kinds(text: str) -> dict[str, int]:
    """Return how many of each kind a text holds.

    Cards pass Luhn's check, IBANs theirs (ISO 7064, mod 97), IP addresses are public ones; addresses at
    example.com and its like are nobody's.

    >>> kinds("Card 4111 1111 1111 1111, mail jo@firm.de; not 1234 5678 9012 3456")
    {'card number': 1, 'e-mail address': 1}
    """
    if not _HINT.search(text):
        return {}
    found: dict[str, int] = {}

    def note(what: str, matches: Sequence[str], text: str) -> str:
        if matches:
            found[what] = len(set(matches))
            for match in matches:
                text = text.replace(match, " ")
        return text

    text = note("card number", [m for m in _CARD.findall(text) if _luhn(m)], text)
    text = note("IBAN", [m for m in _IBAN.findall(text) if _iban(m)], text)
    for what, pattern in _patterns().items():
        where = _PATH.sub(" ", text) if what == "key or token" else text
        matches = [m[0] for m in pattern.finditer(where)]
        if what == "e-mail address":
            matches = [m for m in matches if not _NOBODY.search(m)]
        text = note(what, matches, text)
    note("IP address", [m for m in _IP.findall(text) if _public(m)], text)
    return dict(sorted(found.items()))


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    from pipeline.report.privacy import PATTERNS

    return PATTERNS


def _luhn(number: str) -> bool:
    digits = [int(c) for c in number if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [d if k % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for k, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _iban(code: str) -> bool:
    plain = code.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _public(address: str) -> bool:
    if address in _RESOLVERS:
        return False
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
