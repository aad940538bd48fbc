"""The façade: everything that pages, routes and the command line may ask of the core."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import SecretStr

from core.errors import AskedBefore, InvalidForm, InvalidMedia, NotConfigured, NotFound
from core.intake import Intake, Picture
from core.jobs import retention, sheet, transfer
from core.jobs.desk import Desk
from core.jobs.history import JobHistory
from core.jobs.job import OPEN, Job, State, fingerprint, utc_now
from core.jobs.process import is_dead
from core.jobs.shelf import Shelf
from core.jobs.store import JobArchive, JobQuery, JobStore
from core.jobs.worker import Worker
from core.logs import set_up
from core.media import images, video
from core.media.local import LocalMediaStore
from core.media.store import MediaStore
from core.models import MODELS
from core.models import get as get_model
from core.models.spec import Estimate, FormField, ModelInput, ModelSpec, Still, form_fields
from core.models.validate import validate
from core.preview.order import plan_of
from core.preview.plan import Plan
from core.providers.base import Provider
from core.providers.fal import FalProvider
from core.providers.preview import PreviewProvider
from core.settings import Settings, load
from core.stores.sqlite import SqliteJobStore
from core.stores.sqlite_history import SqliteHistory
from core.web.addresses import HookAddresses
from core.web.identity import Identity, kept_secret

log = logging.getLogger("takes")

PREVIEW_SLOTS = 1  # a second render at once makes both slower on an ordinary computer
PARTS = "parts"  # folder of downloads that are not complete yet, in DATA_DIR
SWEPT = 10_000  # open jobs that a sweep looks at
STALE_S = 3600.0  # a part file that was not written to for so long belongs to no step under way
TWIN = timedelta(minutes=10)  # within which the same question is taken for an oversight
HOOKED = 5  # times as long between two looks at a job whose end fal tells by itself
PREVIEW_POLL_S = 0.5  # a look at a local progress file costs nothing


Sweeper = Callable[[frozenset[str]], Awaitable[object]]


@dataclass(frozen=True)
class Place:
    """Where a model can run.

    Args:
        provider: the provider's name, as it stands in a job.
        title: for people.
        ready: whether it can be chosen now.
        hint: one line: what it is, or what is missing.
    """

    provider: str
    title: str
    ready: bool
    hint: str


class Studio(Intake, Desk, Shelf):
    """One installation of Takes.

    Args:
        settings: as read at start.
        store: the jobs.
        archive: the same jobs, for the chores.
        history: the same jobs, to browse.
        media: the files.
        providers: by name.
        identity: the owner cookies.
        hooks: the addresses at which a provider tells that a job is done; None where it cannot reach us.
        sweepers: what to call with the ids of the open jobs, before the worker starts.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        archive: JobArchive,
        history: JobHistory,
        media: MediaStore,
        providers: Mapping[str, Provider],
        identity: Identity,
        hooks: HookAddresses | None = None,
        sweepers: Sequence[Sweeper] = (),
    ) -> None:
        Intake.__init__(self, settings, media)
        Desk.__init__(self, store, archive, providers)
        Shelf.__init__(self, store, history, archive, media)
        self.identity = identity
        self.hooks = hooks
        self._sweepers = sweepers
        self._parts = settings.home / PARTS

    # --- what there is ----------------------------------------------------------------------------------------------

    def models(self) -> tuple[ModelSpec, ...]:
        """The catalogue, in menu order."""
        return tuple(MODELS.values())

    def default_model(self) -> ModelSpec:
        """The model that `/` opens: PROVIDER_NAME. Raises NotConfigured if there is none of that name."""
        try:
            return get_model(self.settings.provider_name)
        except NotFound as exc:
            raise NotConfigured(f"PROVIDER_NAME: {exc.message}") from exc

    def places(self, spec: ModelSpec) -> tuple[Place, ...]:
        """Where this model can run, the hosted one first."""
        has_key = self.settings.fal_key is not None
        hosted = Place(
            "fal",
            f"{spec.title} on fal.ai",
            has_key,
            "The hosted model." if has_key else "For the hosted model: put FAL_API_KEY=… into .env and restart.",
        )
        if spec.local == "splice":
            local = Place("preview", "This computer", True, "Free, with every transition.")
        else:
            local = Place(
                "preview",
                "Local preview",
                True,
                "Free: a camera move over the still. Not the AI model.",
            )
        return (hosted, local)

    def provider_title(self, name: str) -> str:
        """A provider's name for people; the bare name for one that is gone."""
        provider = self._providers.get(name)
        return provider.title if provider else name

    def option_fields(self, spec: ModelSpec, provider: str) -> tuple[FormField, ...]:
        """The settings that this provider adds to the model's own."""
        options = self._providers[provider].options(spec)
        return form_fields(options) if options else ()

    def describe(self) -> list[str]:
        """One line for each provider on how it is configured; never a key."""
        key = "key set" if self.settings.fal_key else "no key (FAL_API_KEY)"
        return [
            f"PROVIDER_NAME: {self.settings.provider_name}",
            f"fal: {key}, queue {self.settings.queue_url}, uploads {self.settings.rest_url}",
            "preview: ready, no key needed",
        ]

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def estimate(self, spec: ModelSpec, values: Mapping[str, Any], provider: str) -> Estimate | None:
        """What a job with these form values would cost there; None while the form is not complete."""
        try:
            return self._providers[provider].price(spec, validate(spec.input, values, spec.title))
        except InvalidForm:
            return None

    def camera_plan(self, spec: ModelSpec, values: Mapping[str, Any], options: Mapping[str, Any]) -> Plan | None:
        """What Local preview would do with a form, complete or not; None for a model that it does not film."""
        return plan_of(spec, values, options) if spec.local == "camera" else None

    def check(
        self, slug: str, values: Mapping[str, Any], provider: str, options: Mapping[str, Any]
    ) -> tuple[ModelInput, dict[str, Any]]:
        """Validate a form as `create` would.

        Raises:
            InvalidForm: a sentence for each field that has to change.
            NotConfigured: this provider cannot be used yet.
        """
        spec = get_model(slug)
        place = next((place for place in self.places(spec) if place.provider == provider), None)
        if place is None:
            raise NotFound(f"{spec.title} cannot run on “{provider}”. Choose one of: {', '.join(self._providers)}.")
        if not place.ready:
            raise NotConfigured(place.hint)
        given = validate(spec.input, values, spec.title)
        given = self._fitted(spec, given, provider)
        kind = self._providers[provider].options(spec)
        if kind is None and options:
            raise InvalidForm({name: f"{place.title} has no setting “{name}”." for name in options})
        chosen = validate(kind, options, place.title).model_dump(mode="json") if kind else {}
        if provider != "preview":
            spec.to_payload(given, dict.fromkeys(spec.media_keys(given), "https://example.invalid"))
        return given, chosen

    def create(
        self,
        owner: str,
        slug: str,
        values: Mapping[str, Any],
        *,
        provider: str,
        options: Mapping[str, Any] | None = None,
        nonce: str | None = None,
        parent_id: str | None = None,
        continues: bool = False,
        again: bool = False,
    ) -> Job:
        """Write a new job; the worker does the rest.

        Args:
            owner: who asks.
            slug: the model.
            values: the form's values by field name; media as keys.
            provider: where to run.
            options: the provider's own settings.
            nonce: one per rendered form: the same nonce twice is the same job.
            parent_id: the job this one grew out of.
            continues: whether it begins with that one's last frame.
            again: make it although the same was asked a moment ago.

        Raises:
            InvalidForm: a sentence for each field that has to change; nothing was written.
            NotConfigured: this provider cannot be used yet.
            AskedBefore: the same owner asked for the same within ten minutes; nothing was written.
        """
        given, chosen = self.check(slug, values, provider, options or {})
        spec = get_model(slug)
        estimate = self._providers[provider].price(spec, given)
        inputs = given.model_dump(mode="json")
        endpoint = self.settings.endpoint(slug, spec.endpoint) if provider == "fal" else "local"
        now = utc_now()
        job = Job(
            owner=owner,
            model=slug,
            provider=provider,
            endpoint=endpoint,
            prompt=str(inputs.get("prompt") or ""),
            inputs=inputs,
            options=chosen,
            fingerprint=fingerprint(slug, provider, endpoint, inputs, chosen),
            nonce=nonce,
            parent_id=parent_id,
            continues=continues and parent_id is not None,
            rank=now.timestamp(),
            still=spec.still(inputs),
            estimate_low_usd=estimate.low_usd,
            cost_estimate_usd=estimate.high_usd,
            cost_basis=estimate.basis,
            created_at=now,
            due_at=now,
            updated_at=now,
        )
        if not again and (twin := self._twin(job)):
            came = "It is done." if twin.state is State.SUCCEEDED else "It is under way."
            if twin.state is State.UNKNOWN:
                came = "Its outcome is not known: it may have been accepted."
            raise AskedBefore(f"You asked for exactly this a moment ago. {came}", twin.id)
        return self._store.add(job)

    def retry(self, owner: str | None, job_id: str, nonce: str | None = None) -> Job:
        """Ask for the same again, as a new job that names the old one as its parent; the old one stays as it is.

        Args:
            owner: who asks; None is the operator, who asks in the owner's name.
            job_id: the old job.
            nonce: one per rendered button: the same nonce twice is the same job.

        Raises:
            NotFound: there is no such job, or its model has left the catalogue.
            InvalidForm: the model no longer takes this input, or a file of it is no longer stored.
            NotConfigured: its provider cannot be used now.
        """
        old = self.get(owner, job_id)
        return self.create(
            old.owner,
            old.model,
            old.inputs,
            provider=old.provider,
            options=old.options,
            nonce=nonce,
            parent_id=old.id,
            again=True,
        )

    def last_frame(self, owner: str | None, job_id: str) -> Picture:
        """The last frame of a take as a stored still, to go on from.

        Raises:
            NotFound: there is no such take, or its video is no longer stored.
            InvalidMedia: it cannot be decoded.
        """
        job = self.get(owner, job_id)
        if job.video is None:
            raise NotFound("This take has no video.")
        with self.media.local(job.video.key) as path:
            frame = video.last_frame(path)
        return self.add_picture(frame, "last frame.png")

    def cancel(self, owner: str | None, job_id: str) -> Job:
        """As `Desk.cancel`; what had come of a video that is given up is cleared away too."""
        job = super().cancel(owner, job_id)
        if job.state is State.CANCELLED:
            for part in self._parts.glob(f"{job.id}.*"):
                part.unlink(missing_ok=True)
        return job

    def _twin(self, job: Job) -> Job | None:
        """A job of the same owner that asked for the same a moment ago, and may still give or has given a video."""
        query = JobQuery(owner=job.owner, fingerprint=job.fingerprint, since=job.created_at - TWIN, limit=20)
        alive = (twin for twin in self._store.find(query) if twin.state not in (State.FAILED, State.CANCELLED))
        return next((twin for twin in alive if twin.nonce is None or twin.nonce != job.nonce), None)

    # --- all jobs -----------------------------------------------------------------------------------------------------

    def prune(self, days: int, dry_run: bool, enough: Callable[[], bool] = lambda: False) -> retention.Pruned:
        """Delete takes that ended more than so many days ago, with their files; favourites stay. See `core.jobs.retention`."""
        age = timedelta(days=days)
        return retention.prune(
            self._store, self._archive, self.media, older_than=age, now=utc_now(), dry_run=dry_run, enough=enough
        )

    def orphans(self, dry_run: bool) -> retention.Orphans:
        """Delete files that no take uses and no form can hold any more; find takes that have lost theirs."""
        return retention.orphans(self._store, self._archive, self.media, now=utc_now(), dry_run=dry_run)

    def tidy(self, enough: Callable[[], bool]) -> None:
        """The chore beside a worker: the bin, and what KEEP_DAYS says. Harmless however many do it at once."""
        gone = retention.empty_bin(self._store, self._archive, self.media, now=utc_now(), enough=enough)
        if gone.jobs:
            log.info("the bin: takes deleted: %d, their files: %d (%d bytes)", gone.jobs, gone.files, gone.bytes)
        days = self.settings.keep_days
        if days is None:
            return
        gone = self.prune(days, False, enough)
        if gone.jobs or gone.stuck:
            told = (days, gone.jobs, gone.files, gone.bytes, gone.stuck)
            log.info("KEEP_DAYS=%d: takes deleted: %d, their files: %d (%d bytes), takes left for next time: %d", *told)

    def export_jsonl(self, state: State | None = None) -> Iterator[str]:
        """All takes with their history as lines that `import_jobs` reads."""
        return transfer.to_jsonl(self._store, state)

    def export_csv(self, state: State | None = None) -> Iterator[str]:
        """All takes as lines of a table for a spreadsheet."""
        return sheet.to_csv(self._store, state)

    def import_jobs(self, source: BinaryIO) -> transfer.Imported:
        """Take in what `export_jsonl` gave, here or elsewhere; nothing of it is sent. Raises InvalidInput."""
        return transfer.load(self._store, self._archive, self.media, source, utc_now())

    # --- engine -------------------------------------------------------------------------------------------------------

    def worker(self) -> Worker:
        """A worker over this studio's store, to be run on one event loop."""
        slower = HOOKED if self.settings.public_url else 1
        return Worker(
            self._store,
            self.media,
            self._providers,
            slots={"fal": self.settings.fal_max_in_flight, "preview": PREVIEW_SLOTS},
            poll_s={"fal": self.settings.poll_seconds * slower, "preview": PREVIEW_POLL_S},
            part_dir=self._parts,
            pace=lambda job: self.pace(job.model, job.provider),
        )

    async def sweep(self) -> None:
        """Take up what an earlier run left: its leases are free at once, its half-written files go; open jobs keep theirs.

        Call it before the worker starts.
        """
        freed = self._archive.free_dead(is_dead, utc_now())
        if freed:
            log.info("%d jobs go on that were in the hands of a process that has ended", freed)
        open_jobs = self._store.find(JobQuery(states=OPEN, limit=SWEPT))
        if len(open_jobs) == SWEPT:
            return  # more than was looked at: nothing may be taken for dead
        live = frozenset(job.id for job in open_jobs)
        for sweeper in self._sweepers:
            await sweeper(live)

    async def close(self) -> None:
        """Let go of connections. Call on the worker's loop."""
        for provider in self._providers.values():
            await provider.aclose()

    def is_alive(self) -> bool:
        """Whether the store answers."""
        try:
            self._store.find(JobQuery(limit=1))
        except Exception:
            log.exception("the job store does not answer")
            return False
        return True

    def _fitted(self, spec: ModelSpec, given: ModelInput, provider: str) -> ModelInput:
        """The input with every stored file checked, and pictures made small enough for the model."""
        wrong: dict[str, str] = {}
        changed: dict[str, str] = {}
        for item in spec.fields:
            key = getattr(given, item.name)
            if not isinstance(item.kind, Still) or not key:
                continue
            try:
                changed |= self._fitted_still(item, item.kind, key, provider)
            except (InvalidMedia, NotFound) as exc:
                wrong[item.name] = exc.message
        for key in spec.media_keys(given):
            if self.media.stat(key) is None and not wrong:
                raise InvalidForm({"": "A file of this form is no longer stored. Choose it again."})
        if wrong:
            raise InvalidForm(wrong)
        return given.model_copy(update=changed)

    def _fitted_still(self, item: FormField, kind: Still, key: str, provider: str) -> dict[str, str]:
        stored = self.media.stat(key)
        if stored is None:
            raise NotFound(f"{item.label}: the picture is no longer stored. Choose it again.")
        if provider == "preview":
            return {}
        width, height = self.picture_size(key)
        images.check_fit(width, height, stored.bytes, Still(kind.min_side, None, kind.ratio))
        if kind.max_bytes and stored.bytes > kind.max_bytes:
            whole = images.Picture(self.media.read(key), key.rsplit(".", 1)[1], width, height)
            smaller = images.fit_bytes(whole, kind.max_bytes)
            return {item.name: self.media.put(smaller.data, smaller.extension).key}
        return {}


def open_studio(settings: Settings) -> Studio:
    """Put an installation together from its settings. Raises NotConfigured."""
    set_up(settings.debug)
    unknown = {name.replace("_", "-") for name in settings.fal_endpoint} - MODELS.keys()
    if unknown:
        raise NotConfigured(
            f"FAL_ENDPOINT__{min(unknown).upper()}: there is no such model. There are: {', '.join(MODELS)}."
        )
    home = settings.home
    store = SqliteJobStore(home / "takes.db")
    secret = (settings.cookie_secret or SecretStr(kept_secret(home))).get_secret_value()
    hooks = HookAddresses(secret, settings.public_url) if settings.public_url else None
    media = LocalMediaStore(home / "media")
    preview = PreviewProvider(home / "preview", media, PREVIEW_SLOTS)
    providers: dict[str, Provider] = {
        "fal": FalProvider(settings, hook=hooks.of if hooks else None),
        "preview": preview,
    }
    studio = Studio(
        settings,
        store,
        store,
        SqliteHistory(store.file),
        media,
        providers,
        Identity(secret),
        hooks,
        sweepers=(preview.sweep, lambda live: asyncio.to_thread(_sweep_files, media, home / "parts", live)),
    )
    studio.default_model()
    return studio


def _sweep_files(media: LocalMediaStore, parts: Path, live: frozenset[str]) -> None:
    """Remove part files that nobody has written to for a while and that no open job will go on with."""
    media.sweep(STALE_S)
    oldest = time.time() - STALE_S
    for part in parts.glob("*") if parts.is_dir() else ():
        if part.name.split(".", 1)[0] not in live and part.stat().st_mtime < oldest:
            part.unlink(missing_ok=True)


@functools.cache
def current() -> Studio:
    """The studio of this process, opened at the first call. Tests forget it with `current.cache_clear()`."""
    return open_studio(load())
