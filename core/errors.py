"""Every exception that Takes raises on purpose, as one tree.

AppError                    shown to the user as it is; anything else is a bug
├── InvalidInput            a form value is wrong; `field` says which
│   └── InvalidMedia        an uploaded or fetched file cannot be used
├── NotFound                no such job, model or file (or not yours: the two look alike on purpose)
├── NotConfigured           a setting is missing or wrong; the message names it
├── IllegalMove             a job was asked to go where its state does not lead
├── StaleJob                somebody else moved the job first (compare-and-set lost)
├── AskedBefore             the same was asked a moment ago; `job_id` says by which job
├── StorageFull             no room left for a file
└── ProviderError           the provider said no, or could not be reached
    ├── ProviderRefused     final: this request will not be answered otherwise
    ├── ProviderUnavailable passing: the same call may be repeated
    └── OutcomeUnknown      a paid submit may or may not have been accepted; never repeat it silently
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Charged(StrEnum):
    """Whether a failed job cost money, as far as the provider's rules tell."""

    NO = "not_charged"
    MAYBE = "may_be_charged"
    YES = "charged"


class AppError(Exception):
    """An error with a message that is written for the user.

    Args:
        message: what happened and what to do, in plain words; never a key, a path of the server or a traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(AppError):
    """A value cannot be used.

    Args:
        message: what is wrong and what is allowed.
        field: the name of the model's input field, or None where the request as a whole is wrong.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidMedia(InvalidInput):
    """A file is not a picture, clip or sound that can be used."""


class InvalidForm(InvalidInput):
    """A form cannot be sent as it is.

    Args:
        fields: a message for every field that has to change, by its name; "" for the form as a whole.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()), next(iter(fields), None) or None)
        self.fields = dict(fields)


class NotFound(AppError):
    """There is no such thing, or it belongs to somebody else."""


class NotConfigured(AppError):
    """A setting is missing or cannot be used; the message names it."""


class IllegalMove(AppError):
    """A job's state does not lead there; a bug, or two people acting at once."""


class StaleJob(AppError):
    """The job has moved on since it was read; read it again."""


class AskedBefore(AppError):
    """The same was asked a moment ago.

    Args:
        message: when, and what came of it.
        job_id: the earlier job.
    """

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class StorageFull(AppError):
    """The disk or the bucket has no room for the file."""


class ProviderError(AppError):
    """What a provider said, translated once at the boundary.

    Args:
        kind: a stable word for the cause, e.g. ``content_policy_violation``, ``wrong_key`` or ``timeout``.
        message: what happened and what to change, for the user.
        field: the input field it concerns, where the provider names one.
        charged: whether the request cost money.
        raw: the provider's own words, folded away in the page; never holds a key.
        retry_after_s: seconds to wait before the next call, where the provider asks for it.
        retryable: whether the same request, sent anew, may well succeed.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        field: str | None = None,
        charged: Charged = Charged.NO,
        raw: Any = None,
        retry_after_s: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.field = field
        self.charged = charged
        self.raw = raw
        self.retry_after_s = retry_after_s
        self.retryable = retryable


class ProviderRefused(ProviderError):
    """Final for this job. Whether another one with the same input has a chance is said by `retryable`."""


class ProviderUnavailable(ProviderError):
    """Passing: nothing was accepted and the call may be repeated later."""


class OutcomeUnknown(ProviderError):
    """The answer to a paid submit was lost; it may have been accepted."""
