"""The contract of a Provider, run over every implementation: fal over the fake server, and the local preview."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from core.errors import ProviderRefused, ProviderUnavailable
from core.jobs.job import Job
from core.media.local import LocalMediaStore
from core.media.video import check_playable
from core.models import MODELS, get
from core.models.spec import Estimate, ModelInput, form_fields
from core.providers.base import (
    Cancelled,
    CancelRequested,
    Completed,
    Output,
    Provider,
    Queued,
    Running,
    Status,
    TooLate,
)
from core.providers.fal import FalProvider
from core.providers.preview import PreviewProvider
from tests.engine import jpeg
from tests.fal_server import FalServer
from tests.fal_server.sample import QUICK, least

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_S = 60.0  # two cores are shared with other work


@dataclass
class House:
    """A provider, how to make it anew as after a restart, and the files that it reads."""

    provider: Provider
    again: Callable[[], Provider]
    media: LocalMediaStore
    server: FalServer

    def job(self, **changes: Any) -> Job:
        """A short job with a stored still that nothing was done for yet."""
        still = self.media.put(jpeg(), "jpg").key
        given = {
            "owner": "me", "model": "wan27", "provider": self.provider.name, "endpoint": get("wan27").endpoint,
            "inputs": {"image": still, "prompt": "Slow push in.", "duration": 2},
            "created_at": NOW, "due_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        return Job(**given | changes)

    async def sent(self, job: Job) -> Job:
        """The job with its files at the provider, accepted."""
        spec = get(job.model)
        uploads = {}
        for key in spec.media_keys(spec.input.model_validate(job.inputs)):
            with self.media.local(key) as path:
                uploads[key] = await self.provider.upload(job, key, path)
        job = job.with_(uploads=uploads)
        receipt = await self.provider.submit(job)
        names = ("request_id", "status_url", "response_url", "cancel_url", "position")
        return job.with_(**{name: getattr(receipt, name) for name in names})

    async def output(self, job: Job, provider: Provider | None = None) -> Output:
        """The result of an accepted job."""
        asked = provider or self.provider
        deadline = time.monotonic() + PATIENCE_S
        while not isinstance(status := await asked.status(job), Completed):
            check(status)
            assert time.monotonic() < deadline, status
            await asyncio.sleep(0.02)
        output = await asked.result(job)
        assert output is not None, "completed, and yet no result"
        return output


def check(status: Status) -> None:
    """What every status promises."""
    assert all(isinstance(line, str) for line in status.logs)
    match status:
        case Queued(position):
            assert position is None or position >= 0
        case Running(progress, eta_s):
            assert progress is None or 0 <= progress <= 1
            assert eta_s is None or eta_s >= 0


@pytest.fixture(params=["fal", "preview"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    media = LocalMediaStore(tmp_path / "media")
    made: list[Provider] = []
    with FalServer(queue_polls=2, run_polls=2) as server:

        def open_one() -> Provider:
            provider: Provider = (
                FalProvider(server.settings(fal_records_url=f"{server.url}/v1"), QUICK)
                if request.param == "fal"
                else PreviewProvider(tmp_path / "work", media)
            )
            made.append(provider)
            return provider

        yield House(open_one(), open_one, media, server)
        for provider in made:
            await provider.aclose()


async def test_it_says_what_it_is(house: House) -> None:
    assert house.provider.name.islower()
    assert house.provider.title
    assert isinstance(house.provider.resubmits, bool)


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_has_a_price_and_options_that_make_a_form(model: str, house: House) -> None:
    spec = get(model)
    price = house.provider.price(spec, spec.input.model_validate(least(spec)))
    assert isinstance(price, Estimate)
    assert price.basis
    if price.low_usd is not None and price.high_usd is not None:
        assert 0 <= price.low_usd <= price.high_usd
    options = house.provider.options(spec)
    if options is not None:
        assert issubclass(options, ModelInput)
        assert form_fields(options)
        options()  # an untouched form is a valid one
    assert house.server.record == [], "a price was asked over the network"


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_has_a_usual_time(model: str, house: House) -> None:
    least_s, most_s = house.provider.wait_s(get(model))
    assert 0 < least_s <= most_s <= 24 * 3600.0
    assert house.provider.wait_s(get(model)) == (least_s, most_s)
    assert house.server.record == [], "a time was asked over the network"


async def test_a_job_whose_answer_was_lost_is_found_or_not_looked_for(house: House) -> None:
    assert isinstance(house.provider.keeps_records, bool)
    assert await house.provider.find(house.job()) is None, "a job that was never sent"
    assert house.server.record == []
    sent, twin = await house.sent(house.job()), await house.sent(house.job())
    accepted = len(house.server.accepted)
    for job in (sent, twin):
        lost = job.with_(request_id=None, status_url=None, submitted_at=datetime.now(UTC))
        found = await house.provider.find(lost)
        assert found == (job.request_id if house.provider.keeps_records else None), "another job of the same input"
    stranger = house.job(uploads={house.job().inputs["image"]: "elsewhere"}, submitted_at=datetime.now(UTC))
    assert await house.provider.find(stranger) is None
    assert len(house.server.accepted) == accepted, "looking for it sent it again"
    for job in (sent, twin):
        await house.provider.cancel(job)


async def test_news_is_a_hint_and_ends_by_itself(house: House) -> None:
    job = await house.sent(house.job())
    async with asyncio.timeout(PATIENCE_S):
        told = [item async for item in house.provider.watch(job)]
    assert all(item is None for item in told), "whoever reads it could take it for the truth"
    if told:
        assert isinstance(await house.provider.status(job), Completed), "the news ended before the job"
    check(await house.provider.status(job))
    assert len(house.server.accepted) <= 1
    await house.provider.cancel(job)


async def test_news_can_be_let_go_of_at_any_time(house: House) -> None:
    house.server.queue_polls = 500
    job = await house.sent(house.job(inputs=house.job().inputs | {"duration": 15}))
    before = asyncio.all_tasks()
    async with aclosing(cast(Any, house.provider.watch(job))) as news:
        await anext(news, None)
    assert asyncio.all_tasks() == before, "something goes on behind our back"
    assert not isinstance(await house.provider.status(job), Completed), "the job went with its news"
    await house.provider.cancel(job)


async def test_news_of_a_job_that_nobody_knows(house: House) -> None:
    job = house.job(request_id="never-heard-of")
    told = []
    with suppress(ProviderUnavailable):
        told = [item async for item in house.provider.watch(job)]
    assert told == [], "news of nothing"
    assert house.server.accepted == []


@pytest.mark.slow
async def test_a_job_becomes_a_playable_file(house: House, tmp_path: Path) -> None:
    job = await house.sent(house.job())
    assert job.request_id
    output = await house.output(job)
    assert output.location
    assert json.loads(json.dumps(dict(output.facts))) == dict(output.facts), "facts are stored as JSON"
    to = tmp_path / "kept.part.mp4"
    await house.provider.download(job, output, to)
    assert check_playable(to, None).duration_s > 0.5
    whole = to.read_bytes()
    await house.provider.download(job, output, to)  # a crash came before the file was checked in
    assert to.read_bytes() == whole, "the second download changed a whole file"
    assert [path.name for path in tmp_path.glob("kept.part*")] == ["kept.part.mp4"], "something was left beside it"


async def test_a_result_that_is_not_there_yet_is_none(house: House) -> None:
    job = await house.sent(house.job(inputs=house.job().inputs | {"duration": 15}))
    assert await house.provider.result(job) is None
    assert not isinstance(await house.provider.cancel(job), TooLate)


@pytest.mark.slow
async def test_reading_changes_nothing(house: House) -> None:
    job = await house.sent(house.job())
    output = await house.output(job)
    for _ in range(2):
        assert isinstance(await house.provider.status(job), Completed)
        assert await house.provider.result(job) == output


@pytest.mark.slow
async def test_after_a_restart_the_row_is_enough(house: House, tmp_path: Path) -> None:
    job = await house.sent(house.job())
    await house.provider.aclose()
    again = house.again()
    stored = Job.model_validate_json(job.model_dump_json())
    output = await house.output(stored, again)
    to = tmp_path / "kept.part.mp4"
    await again.download(stored, output, to)
    assert check_playable(to, None).width > 0
    assert len(house.server.accepted) <= 1, "the restart paid again"


@pytest.mark.slow
async def test_sending_twice_is_what_it_says(house: House) -> None:
    job = await house.sent(house.job())
    second = await house.sent(job)
    if house.provider.resubmits:
        assert second.request_id == job.request_id, "a second render of the same job"
        assert house.server.accepted == []
    else:
        assert second.request_id != job.request_id
        assert len(house.server.accepted) == 2, "a provider that resubmits freely must say so"
    for one in (job, second):
        await house.provider.cancel(one)


async def test_an_upload_can_come_again(house: House) -> None:
    job = house.job()
    key = job.inputs["image"]
    with house.media.local(key) as path:
        before = path.read_bytes()
        for _ in range(2):
            assert await house.provider.upload(job, key, path)
        assert path.read_bytes() == before, "the stored still was changed"
    assert house.server.accepted == []


async def test_cancel_before_the_end_ends_it(house: House) -> None:
    house.server.queue_polls, house.server.cancel_ends = 50, True
    job = await house.sent(house.job(inputs=house.job().inputs | {"duration": 15}))
    answer = await house.provider.cancel(job)
    assert isinstance(answer, Cancelled | CancelRequested)
    again = await house.provider.cancel(job)  # a crash came before the first answer was kept
    assert isinstance(again, Cancelled | CancelRequested | TooLate)
    assert house.server.calls("file") == []


@pytest.mark.slow
async def test_cancel_after_the_end_is_too_late(house: House) -> None:
    job = await house.sent(house.job())
    output = await house.output(job)
    assert isinstance(await house.provider.cancel(job), TooLate)
    assert await house.provider.result(job) == output, "the cancel took the result away"


@pytest.mark.parametrize("inputs", [{}, {"image": "no key", "prompt": 3}, {"image": f"{'0' * 64}.jpg", "frames": 1}])
async def test_an_input_that_no_longer_fits_is_refused(inputs: dict[str, Any], house: House) -> None:
    job = house.job(inputs=inputs)
    with pytest.raises(ProviderRefused) as caught:
        await house.provider.submit(job)
    assert caught.value.message
    assert "validation error" not in caught.value.message, "pydantic's own words are for programmers"
    assert house.server.accepted == []


async def test_a_model_that_left_the_catalogue_is_refused(house: House) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await house.provider.submit(house.job(model="sora-9"))
    assert caught.value.message
    assert house.server.accepted == []


async def test_letting_go_can_come_twice(house: House) -> None:
    await house.provider.aclose()
    await house.provider.aclose()
