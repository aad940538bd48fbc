"""What a provider does, and the types it answers with. Contract suite: `tests/contracts/test_provider.py`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from core.jobs.job import Job
from core.models.spec import Estimate, ModelInput, ModelSpec


@dataclass(frozen=True)
class Receipt:
    """Proof that a submit was accepted; stored before anything else happens."""

    request_id: str
    status_url: str | None = None
    response_url: str | None = None
    cancel_url: str | None = None
    position: int | None = None


@dataclass(frozen=True)
class Queued:
    """In the provider's line; `position` is how many are ahead, or None where it is not told."""

    position: int | None = None
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """Being made. `progress` is 0 to 1 and `eta_s` seconds, both None where they are not told."""

    progress: float | None = None
    eta_s: float | None = None
    stage: str = ""
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completed:
    """No longer running. Says nothing about success: `result` does."""

    logs: tuple[str, ...] = ()


Status = Queued | Running | Completed


@dataclass(frozen=True)
class Cancelled:
    """Was still in line; nothing was made and nothing is charged."""


@dataclass(frozen=True)
class CancelRequested:
    """The wish was passed on; the job may still finish, and then its result is kept."""


@dataclass(frozen=True)
class TooLate:
    """Already finished; its result is kept."""


CancelAnswer = Cancelled | CancelRequested | TooLate


@dataclass(frozen=True)
class Output:
    """Where the result lies.

    Args:
        location: URL at the provider, or path of a file on this computer.
        facts: other things the provider told, as JSON: seed, actual prompt, billable units.
    """

    location: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """Runs jobs somewhere. All calls may be repeated, `submit` only where `resubmits` says so.

    Every method raises ProviderUnavailable for a passing fault and ProviderRefused for a final answer. `submit` raises
    OutcomeUnknown where the request may have been accepted and the answer was lost.

    Contract: `tests/contracts/test_provider.py`, run over every implementation.
    """

    name: ClassVar[str]  # in rows and on the command line: "fal", "preview"
    title: ClassVar[str]  # for people: "fal.ai", "Local preview"
    resubmits: ClassVar[bool]  # whether sending the same job twice is free and harmless

    @property
    def keeps_records(self) -> bool:
        """Whether `find` can tell anything here."""
        ...

    def wait_s(self, spec: ModelSpec) -> tuple[float, float]:
        """Seconds in which a job of this model is usually done here, least and most, as stated; history is better."""
        ...

    def options(self, spec: ModelSpec) -> type[ModelInput] | None:
        """Settings of this provider beside the model's own, as a form input; None where it has none."""
        ...

    def price(self, spec: ModelSpec, given: ModelInput) -> Estimate:
        """What this job is expected to cost here."""
        ...

    async def upload(self, job: Job, key: str, path: Path) -> str:
        """Bring one stored file to where the provider can read it; the address it has there."""
        ...

    async def submit(self, job: Job) -> Receipt:
        """Send the job, with `job.uploads` in place of its media keys. One attempt, no retries inside."""
        ...

    async def find(self, job: Job) -> str | None:
        """The request id of a job whose answer was lost, from the provider's own records; None where they have none (yet)."""
        ...

    async def status(self, job: Job) -> Status:
        """Where an accepted job stands."""
        ...

    def watch(self, job: Job) -> AsyncIterator[None]:
        """Something each time that the provider says that an accepted job has moved; ends when it is over.

        A hint to ask `status` now, and never the truth: it may miss things, and it may break off at any time by raising
        ProviderUnavailable. One that cannot push ends at once.
        """
        ...

    async def result(self, job: Job) -> Output | None:
        """Where the result of a completed job lies; None for "not yet".

        Raises:
            ProviderRefused: the job ended without a result, and why.
        """
        ...

    async def download(self, job: Job, output: Output, to: Path) -> None:
        """Write the result's bytes to `to`, going on from what is there where that is possible.

        Raises:
            ProviderUnavailable: not all bytes came; what came is kept for the next try.
            StorageFull: no room left.
        """
        ...

    async def cancel(self, job: Job) -> CancelAnswer:
        """Ask for the end of an accepted job."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; called once, on the loop that the other calls ran on."""
        ...
