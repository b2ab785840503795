"""A step as a Prefect task: tried again after a hiccup of disk or network, not after bad input or a bug.

Every step is the plain function; its result is kept by the store, so a second try reads back what the first
one finished.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from pipeline.files import Corrupt
from pipeline.masking import without_secrets
from pipeline.store import Busy

T = TypeVar("T")

RETRY_DELAYS_SECONDS = [1.0, 5.0]
RETRY_JITTER = 0.5  # delays vary, so that runs which failed together do not come back together
# What may pass by itself. Not here: ENOSPC, EDQUOT, EROFS, EACCES, ENOENT, EMFILE; there somebody has to act.
TRANSIENT = {
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ENOLCK, errno.EREMOTEIO,
    errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ENETDOWN,
    errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH,
}  # fmt: skip


def transient(error: BaseException | None) -> bool:
    """Return whether an error may be gone on the next try.

    >>> transient(OSError(errno.EIO, "Input/output error")), transient(OSError(errno.ENOSPC, "No space left"))
    (True, False)
    """
    if isinstance(error, Corrupt):  # a file that could not be read; why is in what it was raised for
        error = error.__context__
    if isinstance(error, OSError):
        return error.errno in TRANSIENT or isinstance(error, ConnectionError | TimeoutError)
    return isinstance(error, Busy)


def _worth_another_try(task: Any, run: Any, state: Any) -> bool:
    return transient(state.data if isinstance(state.data, BaseException) else None)


def as_task(name: str, function: Callable[..., T], *args: Any) -> T:
    """Carry a step out as a Prefect task; what `pipeline.run.directly` is for the plain run."""
    as_named = task(
        name=name, cache_policy=NO_CACHE, persist_result=False, log_prints=False,
        retries=len(RETRY_DELAYS_SECONDS), retry_delay_seconds=RETRY_DELAYS_SECONDS,
        retry_jitter_factor=RETRY_JITTER, retry_condition_fn=_worth_another_try,
    )  # fmt: skip
    step: Callable[..., T] = as_named(without_secrets(function))
    return step(*args)


class CountedSteps:
    """`as_task` with a progress bar among the run's artifacts: what is being done, and how far the run is.

    expected : how many steps there will be. A guess may be wrong: the bar waits at 99 % until `done`.
    """

    def __init__(self, key: str, expected: int) -> None:
        self.expected, self.begun = max(expected, 1), 0
        self.bar = cast(UUID, create_progress_artifact(0.0, key=key, description="starting"))

    def __call__(self, name: str, function: Callable[..., T], *args: Any) -> T:
        """Return function(*args), carried out as a task."""
        update_progress_artifact(self.bar, min(99.0, 100.0 * self.begun / self.expected), description=name)
        self.begun += 1
        return as_task(name, function, *args)

    def done(self) -> None:
        """Say that the run is complete."""
        update_progress_artifact(self.bar, 100.0, description="done")
