"""The façade: what a form may hold, who may see a job, and what the settings must be."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from core.errors import InvalidForm, InvalidMedia, NotConfigured, NotFound
from core.jobs.job import State
from core.jobs.store import JobQuery
from core.media.store import key_of
from core.models import MODELS, get
from core.settings import load
from core.studio import Studio, open_studio
from tests.engine import OWNER, PROMPT, jpeg, own_log

KEY = "key-id-of-the-test:key-secret-of-the-test"


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    with own_log():
        yield


@pytest.fixture
def studio() -> Studio:
    return open_studio(load())


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("FAL_API_KEY", KEY)
    return open_studio(load())


def picture(studio: Studio) -> str:
    return studio.add_picture(jpeg(), "still.jpg").key


def refused(studio: Studio, slug: str, provider: str = "preview", **values: Any) -> dict[str, str]:
    """The messages by field; and nothing may have been written."""
    options = values.pop("options", None)
    with pytest.raises(InvalidForm) as caught:
        studio.create(OWNER, slug, values, provider=provider, options=options)
    assert studio.jobs(JobQuery()) == [], "a refused form became a job"
    return caught.value.fields


# --- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [None, ""])
def test_a_missing_still(studio: Studio, empty: str | None) -> None:
    wrong = refused(studio, "lucy14b", image=empty, prompt=PROMPT)
    assert wrong == {"image": "Choose a still: drop a picture, give its address, or take a sample."}


@pytest.mark.parametrize("empty", [None, "", "   "])
def test_an_empty_prompt(studio: Studio, empty: str | None) -> None:
    wrong = refused(studio, "lucy14b", image=picture(studio), prompt=empty)
    assert wrong == {"prompt": "Write a prompt: say what should happen in the video."}


def test_a_prompt_over_the_limit_says_by_how_much(studio: Studio) -> None:
    prompt = "x" * 1600
    wrong = refused(studio, "lucy14b", image=picture(studio), prompt=prompt)
    assert wrong == {"prompt": "Prompt: 1,600 characters, and Lucy 14B takes 1,500. Shorten it by 100."}
    assert prompt not in wrong["prompt"]


def test_a_prompt_of_the_limit_is_taken(studio: Studio) -> None:
    job = studio.create(OWNER, "lucy14b", {"image": picture(studio), "prompt": "é" * 1500}, provider="preview")
    assert job.prompt == "é" * 1500


def test_a_choice_that_is_none(studio: Studio) -> None:
    wrong = refused(studio, "lucy14b", image=picture(studio), prompt=PROMPT, aspect_ratio="4:3")
    assert wrong == {"aspect_ratio": "Aspect ratio: choose one of 16:9, 9:16."}


def test_an_input_that_the_model_does_not_have(studio: Studio) -> None:
    wrong = refused(studio, "lucy14b", image=picture(studio), prompt=PROMPT, steps=30)
    assert wrong["steps"].startswith("Lucy 14B has no setting “steps”. It has: image, prompt")


def test_an_option_that_the_preview_does_not_have(studio: Studio) -> None:
    wrong = refused(studio, "lucy14b", image=picture(studio), prompt=PROMPT, options={"zoom": 3})
    assert "no setting “zoom”" in wrong["zoom"]
    assert "camera_move" in wrong["zoom"]


def test_an_option_where_there_are_none(keyed: Studio) -> None:
    wrong = refused(keyed, "lucy14b", "fal", image=picture(keyed), prompt=PROMPT, options={"camera_move": "static"})
    assert wrong == {"camera_move": "Lucy 14B on fal.ai has no setting “camera_move”."}


def test_every_wrong_field_is_named_at_once(studio: Studio) -> None:
    assert set(refused(studio, "lucy14b", resolution="8k")) == {"image", "prompt", "resolution"}


@pytest.mark.parametrize("count", [0, 1, 11])
def test_splice_needs_two_to_ten(studio: Studio, count: int) -> None:
    clips = [{"key": picture(studio), "seconds": 1.0}] * count
    assert refused(studio, "splice", clips=clips) == {"clips": "Choose 2 to 10 clips."}


def test_a_still_in_a_splice_has_a_length(studio: Studio) -> None:
    clips = [{"key": picture(studio), "seconds": seconds} for seconds in (1.0, 99.0)]
    assert refused(studio, "splice", clips=clips) == {"clips": "A still is held for 0.5 to 30 seconds."}


def test_splice_at_fal_joins_with_cuts_only(keyed: Studio) -> None:
    clip = keyed.media.put(b"a clip that nobody opens here", "mp4").key
    for values, field in (
        ({"clips": [{"key": clip}] * 2, "transition": "crossfade"}, "transition"),
        ({"clips": [{"key": clip}, {"key": picture(keyed)}]}, "clips"),
    ):
        with pytest.raises(Exception, match="on this computer") as caught:
            keyed.create(OWNER, "splice", values, provider="fal")
        assert getattr(caught.value, "field", None) == field
    assert keyed.jobs(JobQuery()) == []


def test_wan_starts_from_one_thing(studio: Studio) -> None:
    clip = studio.media.put(b"a clip that nobody opens here", "mp4").key
    neither = refused(studio, "wan27", prompt=PROMPT)
    assert neither == {"image": "Choose a still, or a clip to continue under More settings."}
    both = refused(studio, "wan27", image=picture(studio), video=clip)
    assert both == {"video": "Give a still or a clip to continue, not both."}


def test_a_still_that_is_no_longer_stored(studio: Studio) -> None:
    wrong = refused(studio, "lucy14b", image=key_of(b"gone", "jpg"), prompt=PROMPT)
    assert wrong == {"image": "Still: the picture is no longer stored. Choose it again."}


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "x.jpg", f"{'a' * 64}.jpg/../../x"])
def test_a_path_is_no_still(studio: Studio, path: str) -> None:
    assert refused(studio, "lucy14b", image=path, prompt=PROMPT) == {
        "image": "Still: this is not a stored file. Choose it again."
    }


def test_a_picture_of_a_shape_that_no_model_takes(keyed: Studio) -> None:
    wide = Image.new("RGB", (1200, 100), "teal")
    data = io.BytesIO()
    wide.save(data, "PNG")
    with pytest.raises(InvalidMedia, match="Crop it first"):
        keyed.add_picture(data.getvalue(), "wide.png")
    assert keyed.jobs(JobQuery()) == []


def test_a_file_that_is_no_picture(studio: Studio) -> None:
    with pytest.raises(InvalidMedia) as caught:
        studio.add_picture(b"<html>not a picture</html>", "still.jpg")
    assert str(studio.settings.home) not in caught.value.message


def test_a_model_that_is_not_there(studio: Studio) -> None:
    with pytest.raises(NotFound, match="There is no model “sora”"):
        studio.create(OWNER, "sora", {}, provider="preview")


def test_a_provider_that_is_not_there(studio: Studio) -> None:
    with pytest.raises(NotFound, match="replicate"):
        studio.create(OWNER, "lucy14b", {"image": picture(studio), "prompt": PROMPT}, provider="replicate")
    assert studio.jobs(JobQuery()) == []


# --- jobs and their owners --------------------------------------------------------------------------------------------


def test_a_new_job_holds_what_was_asked(keyed: Studio) -> None:
    still = picture(keyed)
    job = keyed.create(OWNER, "lucy14b", {"image": still, "prompt": f"  {PROMPT} "}, provider="fal")
    assert keyed.get(OWNER, job.id) == job
    assert (job.state, job.prompt, job.still) == (State.WAITING, PROMPT, still)
    assert job.endpoint == "decart/lucy-14b/image-to-video"
    assert job.inputs == {"image": still, "prompt": PROMPT, "aspect_ratio": "16:9", "resolution": "720p"}
    assert (job.estimate_low_usd, job.cost_estimate_usd) == (0.4, 0.8)
    assert KEY not in job.model_dump_json()


def test_a_preview_costs_nothing_and_names_no_endpoint(studio: Studio) -> None:
    job = studio.create(OWNER, "veo31-fast", {"image": picture(studio), "prompt": PROMPT}, provider="preview")
    assert (job.cost_estimate_usd, job.endpoint) == (0.0, "local")


def test_the_same_nonce_is_one_job(studio: Studio) -> None:
    values = {"image": picture(studio), "prompt": PROMPT}
    first = studio.create(OWNER, "lucy14b", values, provider="preview", nonce="n1")
    again = studio.create(OWNER, "lucy14b", values, provider="preview", nonce="n1")
    assert again.id == first.id
    assert len(studio.jobs(JobQuery(owner=OWNER))) == 1, "a double click made two jobs"
    other = studio.create("anon-other", "lucy14b", values, provider="preview", nonce="n1")
    assert other.id != first.id, "somebody else got this owner's job"


def test_somebody_elses_job_looks_like_none(studio: Studio) -> None:
    job = studio.create(OWNER, "lucy14b", {"image": picture(studio), "prompt": PROMPT}, provider="preview")
    with pytest.raises(NotFound) as none:
        studio.get(OWNER, "no-such-id")
    for look in (studio.get, studio.history, studio.cancel):
        with pytest.raises(NotFound) as theirs:
            look("anon-other", job.id)
        assert theirs.value.message == none.value.message
    assert studio.get(None, job.id).state is State.WAITING, "somebody else cancelled it"


def test_cancelling_what_is_over_changes_nothing(studio: Studio) -> None:
    job = studio.create(OWNER, "lucy14b", {"image": picture(studio), "prompt": PROMPT}, provider="preview")
    gone = studio.cancel(OWNER, job.id)
    assert gone.state is State.CANCELLED
    assert studio.cancel(OWNER, job.id) == gone
    assert [event.to_state for event in studio.history(OWNER, job.id)] == ["waiting", "cancelled"]


# --- what there is ----------------------------------------------------------------------------------------------------


def test_without_a_key_only_the_preview_is_ready(studio: Studio) -> None:
    for spec in studio.models():
        hosted, local = studio.places(spec)
        assert (hosted.provider, hosted.ready, local.provider, local.ready) == ("fal", False, "preview", True)
        assert "FAL_API_KEY" in hosted.hint
        if spec.local == "camera":
            assert "Not the AI model" in local.hint
    with pytest.raises(NotConfigured, match="FAL_API_KEY"):
        studio.create(OWNER, "lucy14b", {"image": picture(studio), "prompt": PROMPT}, provider="fal")
    assert studio.jobs(JobQuery()) == []


def test_with_a_key_the_hosted_model_comes_first(keyed: Studio) -> None:
    for spec in keyed.models():
        assert [place.provider for place in keyed.places(spec) if place.ready] == ["fal", "preview"]


def test_the_default_model_is_the_settings(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert studio.default_model() is get("lucy14b")
    monkeypatch.setenv("PROVIDER_NAME", "wan27")
    assert open_studio(load()).default_model() is get("wan27")


def test_the_catalogue_is_in_menu_order(studio: Studio) -> None:
    assert [spec.slug for spec in studio.models()] == list(MODELS)


def test_an_estimate_needs_a_whole_form(keyed: Studio) -> None:
    spec = get("lucy14b")
    assert keyed.estimate(spec, {"prompt": PROMPT}, "fal") is None
    whole = {"prompt": PROMPT, "image": picture(keyed)}
    assert str(keyed.estimate(spec, whole, "fal")) == "about $0.40 to $0.80"
    assert str(keyed.estimate(spec, whole, "preview")) == "free"


def test_a_default_model_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_NAME", "sora")
    with pytest.raises(NotConfigured, match="PROVIDER_NAME: There is no model “sora”"):
        open_studio(load())


def test_an_endpoint_for_a_model_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_ENDPOINT__SORA", "openai/sora")
    with pytest.raises(NotConfigured, match="FAL_ENDPOINT__SORA: there is no such model"):
        open_studio(load())


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "/proc/takes")
    with pytest.raises(NotConfigured, match="DATA_DIR"):
        open_studio(load())


def test_the_key_is_told_to_nobody(
    keyed: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("takes").propagate = True
    monkeypatch.setenv("DEBUG", "*")
    caplog.set_level(logging.DEBUG)
    keyed.create(OWNER, "lucy14b", {"image": picture(keyed), "prompt": PROMPT}, provider="fal")
    told = [repr(keyed), repr(keyed.settings), str(keyed.settings.model_dump()), *keyed.describe(), caplog.text]
    told += [repr(keyed.__dict__), *(repr(provider.__dict__) for provider in keyed._providers.values())]
    for text in told:
        assert KEY not in text
        assert "key-secret-of-the-test" not in text
    assert any("key set" in line for line in keyed.describe())
