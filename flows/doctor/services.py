"""Prefect and the Hub: who can reach the server, what is sent home."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from flows.doctor import Check
from flows.doctor.packages import installed

AREA = "services"
TRUE = ("1", "true", "yes", "on")


def services() -> Iterator[Check]:
    """Yield how Prefect is set up, if it is installed, and whether the Hub may be asked."""
    if installed("prefect") is None:
        yield Check(AREA, "Prefect", "ok", "not installed; only `assay serve` and the flows need it")
    else:
        yield from _prefect()
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE
    free = "HF_HUB_OFFLINE is not set: a model named by its Hub name is fetched, packaged ones are not"
    yield Check(AREA, "Hub", "ok", "HF_HUB_OFFLINE=1: nothing is fetched" if offline else free)
    silent = os.environ.get("HF_HUB_DISABLE_TELEMETRY", "").lower() in TRUE
    yield Check(AREA, "Hub telemetry", "ok" if silent else "warn", "off" if silent else "on",
                "" if silent else "export HF_HUB_DISABLE_TELEMETRY=1")  # fmt: skip


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("10.0.0.5")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _prefect() -> Iterator[Check]:
    try:
        from prefect.settings import Settings

        settings = Settings()
    except Exception as error:  # a broken install or profile raises anything; that is what is to be told
        why = (str(error) or repr(error)).splitlines()[0]
        yield Check(
            AREA, "Prefect", "fail", f"its settings cannot be read: {why}", 'pip install "assay[prefect]"'
        )
        return
    yield _api(settings)
    host = settings.server.api.host
    if is_loopback(host) or settings.server.api.auth_string:
        yield Check(AREA, "Prefect server", "ok", f"would listen on {host}")
    else:
        found = f"would listen on {host} without a password: who reaches it runs flows"
        do = "export PREFECT_SERVER_API_HOST=127.0.0.1, or set PREFECT_SERVER_API_AUTH_STRING"
        yield Check(AREA, "Prefect server", "warn", found, do)
    if os.environ.get("DO_NOT_TRACK", "").lower() in TRUE or not settings.server.analytics_enabled:
        yield Check(AREA, "Prefect analytics", "ok", "off")
    else:
        found = "off in Assay's flows, on in a server you start"
        do = "export PREFECT_SERVER_ANALYTICS_ENABLED=false before: prefect server start"
        yield Check(AREA, "Prefect analytics", "warn", found, do)


def _api(settings: Any) -> Check:
    url = settings.api.url
    if not url:
        return Check(AREA, "Prefect API", "ok", "no server named; `assay serve` needs PREFECT_API_URL")
    parts = urlsplit(url)
    host, shown = parts.hostname or "", f"{parts.scheme}://{parts.hostname}:{parts.port or ''}"  # no password
    if not is_loopback(host):
        if not (settings.api.auth_string or settings.api.key):
            found = f"{shown} is not this machine and no password is set: who reaches it runs flows"
            do = "set PREFECT_API_AUTH_STRING, on the server PREFECT_SERVER_API_AUTH_STRING, or use 127.0.0.1"
            return Check(AREA, "Prefect API", "warn", found, do)
        if parts.scheme != "https":
            found = f"{shown}: the password can be read on the way"
            return Check(AREA, "Prefect API", "warn", found, "use https")
        return Check(AREA, "Prefect API", "ok", f"{shown}, with a password")
    try:
        socket.create_connection((host, parts.port or 80), timeout=1).close()
    except OSError:
        return Check(
            AREA,
            "Prefect API",
            "warn",
            f"{shown} does not answer",
            "run: prefect server start --host 127.0.0.1",
        )
    return Check(AREA, "Prefect API", "ok", f"{shown} answers")
