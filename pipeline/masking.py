"""Secrets stay out of what we print and keep: they come in environment variables, and leave as ***.

A value is secret when its variable's name says so (HF_TOKEN, AWS_SECRET_ACCESS_KEY, DB_PASSWORD ...), when it
stands between `scheme://` and `@` of an address, or after `token=` and the like in its query.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")

MASK = "***"
SHORTEST_CHARS = 6  # of a secret; shorter values ("1", "true") are switches, and would mask half a log
_WORDS = "TOKENS?|KEYS?|APIKEY|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH_STRING"
_NAME = re.compile(rf"(?:^|[_-])(?:{_WORDS})(?:[_-]|$)", re.IGNORECASE)
_ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*:/{1,2})[^\s/@'\"]+(?:@[^\s/@'\"]+)*@")
_QUERY = re.compile(r"([?&][\w.-]*(?:token|key|secret|password|signature|sig)=)[^\s&'\"]+", re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Return whether a variable or a key of this name would hold a secret.

    >>> looks_secret("HF_TOKEN"), looks_secret("token"), looks_secret("TOKENIZERS_PARALLELISM")
    (True, True, False)
    """
    return bool(_NAME.search(name))


def has_credentials(address: str) -> bool:
    """Return whether an address carries a user name, a password or a token.

    >>> has_credentials("https://me:pw@host/rows.csv"), has_credentials("https://host/rows.csv")
    (True, False)
    """
    return "://" in address and bool(_ADDRESS.search(address) or _QUERY.search(address))


def mask(text: str) -> str:
    """Return the text with every secret we know of replaced by `***`.

    >>> mask("cannot read s3://me:hunter2@bucket/rows.csv")
    'cannot read s3://***@bucket/rows.csv'
    """
    for value in _secret_values():
        text = text.replace(value, MASK)
    return _QUERY.sub(rf"\1{MASK}", _ADDRESS.sub(rf"\1{MASK}@", text))


def _secret_values() -> list[str]:
    """Return the secret values of the environment as they may appear in a text, the longest first."""
    values: set[str] = set()
    for name, value in os.environ.items():
        # a variable may name the file that holds the secret: that is a path people must be able to read
        if _NAME.search(name) and not os.path.exists(value):
            for line in value.splitlines():
                values |= {line, repr(line)[1:-1], json.dumps(line)[1:-1], quote(line, safe="")}
    return sorted((v for v in values if len(v) >= SHORTEST_CHARS), key=len, reverse=True)


@contextmanager
def masked_errors() -> Iterator[None]:
    """Let no exception leave with a secret in its text; its type, and so its exit code, stays."""
    try:
        yield
    except Exception as error:
        if not _tells(error):
            raise
        _mask_chain(error)
        if _tells(error):  # its text is not made of its arguments
            raise RuntimeError(mask(f"{type(error).__name__}: {error}")) from None
        raise


def without_secrets(function: Callable[..., T]) -> Callable[..., T]:
    """Return the function with `masked_errors` around every call."""

    @functools.wraps(function, updated=())
    def masked(*args: Any, **more: Any) -> T:
        with masked_errors():
            return function(*args, **more)

    return masked


def masked_traceback(error: BaseException) -> str:
    """Return the traceback as Python would print it, masked."""
    return mask("".join(traceback.format_exception(error)))


def _tells(error: BaseException) -> bool:
    text = "".join(traceback.format_exception(error)) + repr(error)
    return mask(text) != text


def _mask_chain(error: BaseException | None) -> None:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.args = tuple(mask(a) if isinstance(a, str) else a for a in error.args)
        for name in (*vars(error), "strerror", "filename", "filename2"):  # the last three: an OSError's
            value = getattr(error, name, None)
            if isinstance(value, str):
                setattr(error, name, mask(value))
        error = error.__cause__ or error.__context__


class MaskedRecord(logging.LogRecord):
    """A line of a log whose text and traceback are masked when they are read."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        if self.exc_info and self.exc_info[1] is not None:
            self.exc_text = masked_traceback(self.exc_info[1]).rstrip()  # formatters use it if set

    def getMessage(self) -> str:
        """Return the line, masked."""
        return mask(super().getMessage())


def mask_logs() -> None:
    """Mask every line that any logger of this process writes from now on."""
    logging.setLogRecordFactory(MaskedRecord)
