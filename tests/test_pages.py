"""Pages without a browser: what each shows, what a click writes into the store, and what bad input and ugly data do."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from google.protobuf.text_format import MessageToString
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from core import samples
from core.errors import Charged
from core.jobs.job import ENDED, NEVER, Job, JobError, State, Video, utc_now
from core.jobs.store import JobQuery
from core.models import MODELS
from core.models.spec import ClipItem, ModelSpec
from core.stores.sqlite import SqliteJobStore
from core.studio import current
from pages.parts import identity, words
from tests.engine import jpeg, own_log
from tests.fal_server.clip import clip

OWNER = "guest-tester"
KEY = "key-id:key-secret-that-no-page-shows"
EVERY_MODEL = pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
SECONDS = 30  # a first run imports pandas; AppTest's own limit of 3 s is short on a busy computer
UGLY = {
    "long": "Waves roll in. " * 100,
    "right to left": "הספינה עוזבת את הנמל בשקיעה، والسفينة تغادر",
    "emoji": "👩‍🚀 walks over 🌕🎬, zoom out 🚀",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "tracking picture": "![pixel](https://evil.example/pixel.png) [press](javascript:alert(1)) :material/home: $x$",
    "lines and control": "one\ntwo\x00\x07\r\n\ttabbed \u202e reversed",
    "quotes": "\"><style>*{display:none}</style>'",
    "empty": "",
}


@pytest.fixture(autouse=True)
def own_studio() -> Iterator[None]:
    """Each test opens a studio of its own."""
    current.cache_clear()
    st.cache_data.clear()
    with own_log():
        yield
    current.cache_clear()


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_API_KEY", KEY)


def model_page(slug: str) -> AppTest:
    """A model's page, not run yet."""

    def show(slug: str) -> None:
        from core.models import get
        from pages import generate

        generate.render(get(slug))

    return opened(AppTest.from_function(show, kwargs={"slug": slug}, default_timeout=SECONDS))


def jobs_page(job: str | None = None) -> AppTest:
    """The jobs page, not run yet; with the address of a job, if one is given."""

    def show() -> None:
        from pages import jobs

        jobs.render()

    page = opened(AppTest.from_function(show, default_timeout=SECONDS))
    if job:
        page.query_params["job"] = job
    return page


def opened(page: AppTest) -> AppTest:
    page.session_state[identity.GUEST] = OWNER
    return page


def filled(slug: str = "lucy14b", prompt: str | None = None) -> AppTest:
    """A model's page with the first sample taken."""
    page = model_page(slug).run()
    page.button(key=f"{slug}.image.sample.lighthouse").click().run()
    if prompt is not None:
        page.text_area(key=f"{slug}.prompt").set_value(prompt).run()
    return page


def stored() -> list[Job]:
    return current().jobs(JobQuery())


def write(state: State = State.SUCCEEDED, **changes: Any) -> Job:
    """Put a job straight into the store, as it would stand after a run."""
    now = utc_now()
    picture = current().add_picture(jpeg(), "still.jpg")
    given: dict[str, Any] = {
        "owner": OWNER,
        "model": "lucy14b",
        "provider": "fal",
        "endpoint": "decart/lucy-14b/image-to-video",
        "prompt": "A heron lifts off.",
        "inputs": {"image": picture.key, "prompt": "A heron lifts off.", "aspect_ratio": "16:9"},
        "still": picture.key,
        "estimate_low_usd": 0.4,
        "cost_estimate_usd": 0.8,
        "created_at": now,
        "due_at": now,
        "updated_at": now,
    }
    if state is State.SUCCEEDED:
        film = current().media.put(clip(), "mp4").key
        given["video"] = Video(
            key=film,
            poster=picture.key,
            width=1280,
            height=720,
            duration_s=5.0,
            fps=24,
            bytes=len(clip()),
            sha256=film.split(".")[0],
        )
    store = SqliteJobStore(current().settings.home / "takes.db")
    try:
        return store.add(Job(state=state, **{**given, **changes}))
    finally:
        store.close()


def clean(page: AppTest) -> AppTest:
    """The page, once it is sure that nothing broke and no key is on it."""
    assert not page.exception, page.exception[0].value
    assert KEY not in everything(page)
    return page


def everything(page: AppTest) -> str:
    """All that the page sends to the browser, as text."""
    sent = [MessageToString(node.proto, as_utf8=True) for node in page.main if getattr(node, "proto", None) is not None]
    return "\n".join([*sent, *(table.value.to_string() for table in page.dataframe)])


def generate_button(page: AppTest, slug: str) -> Button:
    """The button as it is shown; its key ends with the nonce of this rendering."""
    [button] = [button for button in page.button if str(button.key).startswith(f"{slug}.generate.")]
    return button


def generate_label(page: AppTest, slug: str) -> str:
    return generate_button(page, slug).label


def captions(page: AppTest) -> str:
    return "\n".join(str(item.value) for item in page.caption)


def errors(page: AppTest) -> list[str]:
    return [str(item.value) for item in page.error]


# --- every model's page --------------------------------------------------------------------------------------------


@EVERY_MODEL
def test_the_page_of_each_model_shows(spec: ModelSpec) -> None:
    page = clean(model_page(spec.slug).run())
    assert page.header[0].value == spec.title
    assert spec.summary in captions(page)
    assert generate_label(page, spec.slug) in ("Generate", "Splice")
    assert not errors(page), "an untouched form is not scolded"
    assert stored() == []


@EVERY_MODEL
def test_without_a_key_it_runs_here_only_and_says_how_to_change_that(spec: ModelSpec) -> None:
    page = clean(model_page(spec.slug).run())
    where = page.get("button_group")[0]
    assert [option.content for option in where.proto.options] == [words.choice(current().places(spec)[1].title)]
    assert page.session_state[f"{spec.slug}.on"] == "preview"
    assert "FAL_API_KEY" in captions(page)


@EVERY_MODEL
@pytest.mark.usefixtures("with_key")
def test_with_a_key_it_runs_at_both_places(spec: ModelSpec) -> None:
    page = clean(model_page(spec.slug).run())
    assert len(page.get("button_group")[0].proto.options) == 2
    assert page.session_state[f"{spec.slug}.on"] == "fal"
    assert "FAL_API_KEY" not in captions(page)


# --- filling the form ----------------------------------------------------------------------------------------------


def test_a_sample_fills_still_and_prompt() -> None:
    page = clean(filled())
    sample = samples.get("lighthouse")
    assert page.text_area(key="lucy14b.prompt").value == sample.prompt
    assert current().picture(page.session_state["lucy14b.image"].picture.key)
    assert "1920 × 1080" in captions(page)
    assert generate_label(page, "lucy14b") == "Generate · free"
    assert stored() == []


def test_the_invitation_fills_the_form_too() -> None:
    page = model_page("lucy14b").run()
    page.button(key="lucy14b.try").click().run()
    assert generate_label(clean(page), "lucy14b") == "Generate · free"


def test_a_sample_leaves_a_prompt_alone() -> None:
    page = model_page("lucy14b").run()
    page.text_area(key="lucy14b.prompt").set_value("My own words.").run()
    page.button(key="lucy14b.image.sample.valley").click().run()
    assert clean(page).text_area(key="lucy14b.prompt").value == "My own words."


def test_an_upload_fills_the_still() -> None:
    page = model_page("lucy14b").run()
    page.text_area(key="lucy14b.prompt").set_value("A heron lifts off.").run()
    page.file_uploader(key="lucy14b.image.drop.0").set_value([("heron.jpg", jpeg((640, 360)), "image/jpeg")]).run()
    assert "640 × 360" in captions(clean(page))
    page.button(key="lucy14b.image.change").click().run()
    assert clean(page).file_uploader, "after Change there is a place to drop another"
    assert page.text_area(key="lucy14b.prompt").value == "A heron lifts off."


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("notes.jpg", b"Dear diary, this is no picture at all.\n" * 20),
        ("empty.png", b""),
        ("cut.jpg", jpeg((640, 360))[:900]),
        ("tiny.jpg", jpeg((20, 12))),
    ],
)
def test_a_bad_upload_says_so_and_keeps_the_prompt(name: str, data: bytes) -> None:
    page = model_page("lucy14b").run()
    page.text_area(key="lucy14b.prompt").set_value("Keep me.").run()
    page.file_uploader(key="lucy14b.image.drop.0").set_value([(name, data, "image/jpeg")]).run()
    [message] = errors(clean(page))
    assert message.endswith(".")
    assert "Traceback" not in message
    assert "PIL" not in message
    assert page.text_area(key="lucy14b.prompt").value == "Keep me."
    assert page.session_state["lucy14b.image"].picture is None
    page.button(key="lucy14b.image.sample.valley").click().run()
    assert errors(clean(page)) == [], "the message goes once there is a picture"


def test_a_private_address_is_not_fetched() -> None:
    page = model_page("lucy14b").run()
    page.text_input(key="lucy14b.image.url").set_value("http://127.0.0.1:1/x.jpg").run()
    page.button(key="lucy14b.image.fetch").click().run()
    [message] = errors(clean(page))
    assert message.endswith(".")
    assert page.session_state["lucy14b.image"].picture is None


@pytest.mark.usefixtures("with_key")
def test_the_price_stands_on_the_button() -> None:
    assert generate_label(clean(filled("lucy14b")), "lucy14b") == "Generate · about $0.40 to $0.80"


@pytest.mark.usefixtures("with_key")
def test_an_unpublished_price_is_never_nothing() -> None:
    page = clean(filled("lucy5b"))
    assert generate_label(page, "lucy5b") == "Generate · price not published"
    assert "$0" not in everything(page)
    assert "free" not in generate_label(page, "lucy5b")


# --- Generate ------------------------------------------------------------------------------------------------------


def test_generate_writes_one_job() -> None:
    page = filled(prompt="The lamp turns. Slow push in.")
    still = page.session_state["lucy14b.image"].picture.key
    generate_button(page, "lucy14b").click().run()
    [job] = stored()
    assert (job.owner, job.model, job.provider, job.state) == (OWNER, "lucy14b", "preview", State.WAITING)
    assert job.inputs == {
        "image": still,
        "prompt": "The lamp turns. Slow push in.",
        "aspect_ratio": "16:9",
        "resolution": "720p",
    }
    assert job.options == {"camera_move": "from the prompt", "framing": "auto"}
    assert (job.still, job.cost_estimate_usd) == (still, 0.0)
    assert clean(page).text_area(key="lucy14b.prompt").value == "The lamp turns. Slow push in."
    page.run()
    assert len(stored()) == 1, "a refresh sends nothing"
    generate_button(page, "lucy14b").click().run()
    assert len(stored()) == 1, "the same again within ten minutes was made without a word"
    assert "exactly this a moment ago" in page.warning[0].value
    again = next(button for button in page.button if str(button.key).startswith("lucy14b.twin-again."))
    again.click().run()
    assert len(stored()) == 2, "“Make another one” is a second take"
    assert not clean(page).warning


@pytest.mark.usefixtures("with_key")
def test_generate_takes_what_stands_in_the_form_at_the_click() -> None:
    """Text, place and click may come in one message; what the run before had seen must not be sent, or paid."""
    page = filled()
    page.text_area(key="lucy14b.prompt").set_value("The newest words.")
    page.get("button_group")[0].set_value("preview")
    generate_button(page, "lucy14b").click().run()
    [job] = stored()
    assert (job.prompt, job.provider) == ("The newest words.", "preview")
    assert not errors(clean(page))


@EVERY_MODEL
def test_every_model_generates_from_its_samples(spec: ModelSpec) -> None:
    page = model_page(spec.slug).run()
    page.button(key=f"{spec.slug}.try").click().run()
    generate_button(page, spec.slug).click().run()
    [job] = stored()
    assert not errors(clean(page))
    assert job.model == spec.slug
    assert spec.input.model_validate(job.inputs)


@pytest.mark.usefixtures("with_key")
def test_generate_sends_to_the_place_that_is_chosen() -> None:
    page = filled()
    generate_button(page, "lucy14b").click().run()
    page.get("button_group")[0].set_value("preview").run()
    assert generate_label(page, "lucy14b") == "Generate · free"
    generate_button(page, "lucy14b").click().run()
    here, hosted = stored()
    assert (hosted.provider, hosted.cost_estimate_usd) == ("fal", 0.8)
    assert (here.provider, here.cost_estimate_usd) == ("preview", 0.0)
    assert KEY not in everything(clean(page))


@pytest.mark.parametrize(
    ("prompt", "says"), [("", "Write a prompt"), ("   ", "Write a prompt"), ("x" * 1507, "Shorten it by 7.")]
)
def test_a_bad_prompt_is_said_beside_it_and_kept(prompt: str, says: str) -> None:
    page = filled(prompt=prompt)
    generate_button(page, "lucy14b").click().run()
    [message] = errors(clean(page))
    assert says in message
    assert stored() == []
    assert page.text_area(key="lucy14b.prompt").value == prompt
    assert page.session_state["lucy14b.image"].picture
    page.text_area(key="lucy14b.prompt").set_value("Better.").run()
    generate_button(page, "lucy14b").click().run()
    assert errors(clean(page)) == []
    assert len(stored()) == 1


def test_a_missing_still_is_said_beside_it() -> None:
    page = model_page("lucy14b").run()
    page.text_area(key="lucy14b.prompt").set_value("Keep me.").run()
    generate_button(page, "lucy14b").click().run()
    [message] = errors(clean(page))
    assert message.startswith("Choose a still")
    assert stored() == []
    assert page.text_area(key="lucy14b.prompt").value == "Keep me."


def test_a_still_that_is_gone_from_the_store(tmp_path: Path) -> None:
    page = filled()
    for file in (tmp_path / "data" / "media").rglob("*.jpg"):
        file.unlink()
    generate_button(page, "lucy14b").click().run()
    assert any("no longer stored" in message for message in errors(clean(page)))
    assert stored() == []


# --- takes on the stage --------------------------------------------------------------------------------------------

ENDS: dict[State, tuple[dict[str, Any], str]] = {
    State.WAITING: ({}, "Next for a slot"),
    State.SUBMITTING: ({}, "Sending"),
    State.QUEUED: ({"position": 3}, "In line, 3 ahead"),
    State.RUNNING: ({"progress": 0.42, "eta_s": 12.0}, "42%"),
    State.SAVING: ({"trouble": "The disk is full."}, "Saving"),
    State.SUCCEEDED: ({}, "Done"),
    State.CANCELLED: ({}, "Cancelled"),
    State.FAILED: (
        {"error": JobError(kind="content_policy_violation", message="The prompt was refused.", raw={"detail": "no"})},
        "Failed",
    ),
    State.UNKNOWN: (
        {"error": JobError(kind="timeout", message="The answer was lost.", charged=Charged.MAYBE), "due_at": NEVER},
        "Outcome unknown",
    ),
}


@pytest.mark.parametrize("state", ENDS)
def test_each_state_shows_on_the_stage_and_on_the_jobs_page(state: State) -> None:
    changes, word = ENDS[state]
    job = write(state, **changes)
    for page in (model_page("lucy14b").run(), jobs_page(job.id).run()):
        clean(page)
        assert word in everything(page)
        buttons = " ".join(str(b.key) for b in page.button)
        assert ("cancel." + job.id in buttons) == (state not in ENDED)
        assert ("retry." + job.id in buttons) == (state in (State.FAILED, State.CANCELLED))
        assert ("attach." + job.id in buttons) == ("resend." + job.id in buttons) == (state is State.UNKNOWN)
        assert bool(page.get("video")) == (state is State.SUCCEEDED)
        match state:
            case State.FAILED:
                assert errors(page) == ["The prompt was refused. Not charged."]
            case State.UNKNOWN:
                assert page.warning[0].value == "The answer was lost."
                assert "If it was charged: about" in captions(page).replace("\\", "")
            case _:
                assert not page.error
                assert not page.warning


def test_cancel_ends_a_waiting_job() -> None:
    job = write(State.WAITING)
    page = model_page("lucy14b").run()
    page.button(key=f"stage.cancel.{job.id}").click().run()
    assert stored()[0].state is State.CANCELLED
    assert "Cancelled" in everything(clean(page))


def test_an_earlier_take_can_be_opened() -> None:
    first = write(prompt="The first one.")
    write(prompt="The second one.")
    page = model_page("lucy14b").run()
    assert [text.value for text in page.text] == ["The second one."]
    page.button(key=f"open.{first.id}").click().run()
    assert [text.value for text in clean(page).text] == ["The first one."]


def test_another_owner_sees_nothing() -> None:
    job = write(owner="guest-else", prompt="Not for you.")
    for page in (model_page("lucy14b").run(), jobs_page().run(), jobs_page(job.id).run()):
        assert "Not for you." not in everything(clean(page))
        assert job.id not in "".join(str(button.key) for button in page.button)


@pytest.mark.parametrize("prompt", UGLY.values(), ids=UGLY)
@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.RUNNING])
def test_ugly_prompts_are_shown_as_text(prompt: str, state: State) -> None:
    error = JobError(kind="other", message=prompt or "Refused.", raw=prompt) if state is State.FAILED else None
    first = write(state, prompt=prompt, error=error, logs=[prompt], trouble=prompt)
    write(state, prompt=prompt, error=error)
    for page in (model_page("lucy14b").run(), jobs_page().run(), jobs_page(first.id).run()):
        clean(page)
        marked = [
            str(item.value)
            for kind in (page.caption, page.markdown, page.error, page.warning)
            for item in kind  # what Streamlit would render as markdown
        ]
        assert not any(re.search(r"(?<!\\)!\[|(?<!\\)\]\(javascript", text) for text in marked)
        for html in page.get("html"):
            assert "<script" not in html.proto.body
            assert "<style" not in html.proto.body
            assert "onerror=" not in re.sub(r'title="[^"]*"', "", html.proto.body)


@pytest.mark.parametrize("prompt", UGLY.values(), ids=UGLY)
def test_ugly_prompts_can_be_typed(prompt: str) -> None:
    page = filled(prompt=prompt[:1500])
    generate_button(page, "lucy14b").click().run()
    clean(page)
    assert page.text_area(key="lucy14b.prompt").value == prompt[:1500]
    assert len(stored()) == (1 if prompt else 0)


def test_a_model_or_provider_that_is_gone() -> None:
    job = write(model="retired-2024", provider="elsewhere", inputs={"was": "asked"})
    for page in (jobs_page().run(), jobs_page(job.id).run()):
        assert "retired-2024" in everything(clean(page))


# --- the jobs page -------------------------------------------------------------------------------------------------


def test_an_empty_jobs_page_invites() -> None:
    page = clean(jobs_page().run())
    assert page.subheader[0].value == "No takes yet"
    assert not page.dataframe
    [link] = page.get("page_link")
    assert "Lucy 14B" in link.proto.label


def test_the_table_lists_takes_newest_first() -> None:
    write(prompt="one", provider="preview", cost_estimate_usd=0.0)
    write(State.FAILED, prompt="two", error=JobError(kind="x", message="No."))
    write(State.RUNNING, prompt="three", cost_estimate_usd=None)
    table = clean(jobs_page().run()).dataframe[0].value
    assert list(table["Prompt"]) == ["three", "two", "one"]
    assert list(table["State"]) == ["Running", "Failed", "Done"]
    assert list(table["Cost"]) == ["price not published", "about $0.40 to $0.80", "free"]
    assert list(table["Model"]) == ["Lucy 14B"] * 3
    assert all(str(address).startswith("/takes/") for address in table["Picture"])


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"state": ["succeeded"]}, ["one"]),
        ({"state": ["failed", "running"]}, ["three", "two"]),
        ({"state": ["no such state"]}, ["three", "two", "one"]),
        ({"q": ["two"]}, ["two"]),
        ({"q": ["t"], "hide": ["1"]}, ["three"]),
        ({"model": ["wan27"]}, []),
        ({"min": ["nonsense"], "since": ["2026-99-99"], "rated": ["9"], "sort": ["?"], "page": ["-3"]}, ["three", "two", "one"]),
        ({"page": ["99"]}, ["three", "two", "one"]),
        ({"until": ["2001-01-01"]}, []),
        ({"bin": ["1"]}, []),
    ],
)  # fmt: skip
def test_the_address_narrows_the_history(asked: dict[str, list[str]], left: list[str]) -> None:
    write(prompt="one")
    write(State.FAILED, prompt="two", error=JobError(kind="x", message="No."))
    write(State.RUNNING, prompt="three")
    write(prompt="not mine", owner="somebody-else")
    page = jobs_page()
    for name, values in asked.items():
        page.query_params[name] = values
    tables = clean(page.run()).dataframe
    assert (list(tables[0].value["Prompt"]) if tables else []) == left
    if not left:
        assert "No take is like that." in captions(page)
        page.button(key="nothing.clear").click().run()
        assert len(clean(page).dataframe[0].value) == 3


def test_a_filter_that_is_set_stands_in_the_address() -> None:
    write(prompt="one")
    write(State.FAILED, prompt="two", error=JobError(kind="x", message="No."))
    page = jobs_page()
    page.query_params["page"] = "7"
    page.run()
    page.text_input(key="filters.q").set_value("two").run()
    assert list(clean(page).dataframe[0].value["Prompt"]) == ["two"]
    assert page.query_params["q"] == "two"
    assert "page" not in page.query_params, "another question begins on its first page"
    page.multiselect(key="filters.state").set_value(["succeeded"]).run()
    assert page.query_params["state"] == "succeeded"
    assert not clean(page).dataframe
    page.button(key="filters.clear").click().run()
    assert len(clean(page).dataframe[0].value) == 2
    assert page.text_input(key="filters.q").value == ""


def test_a_view_is_kept_and_opened() -> None:
    write(prompt="one")
    write(State.FAILED, prompt="two", error=JobError(kind="x", message="No."))
    page = jobs_page()
    page.query_params["state"] = "failed"
    page.run()
    page.text_input(key="view.name").set_value("What went wrong").run()
    page.button(key="view.save").click().run()
    assert current().views(OWNER) == {"What went wrong": "state=failed"}
    assert current().views("somebody-else") == {}
    page.button(key="filters.clear").click().run()
    page.button(key="view.open.What went wrong").click().run()
    assert list(clean(page).dataframe[0].value["Prompt"]) == ["two"]
    page.button(key="view.drop.What went wrong").click().run()
    assert current().views(OWNER) == {}


def test_the_history_has_pages() -> None:
    for number in range(53):
        write(State.CANCELLED, prompt=f"take {number}")
    page = jobs_page().run()
    assert len(clean(page).dataframe[0].value) == 50
    assert "53 takes" in captions(page)
    page.query_params["page"] = "2"
    page.run()
    assert list(clean(page).dataframe[0].value["Prompt"]) == ["take 2", "take 1", "take 0"]


def test_the_gallery_shows_players_that_load_nothing() -> None:
    job = write(prompt='"><script>alert(1)</script>')
    page = jobs_page()
    page.query_params["view"] = "Gallery"
    page.run()
    [player] = [item.proto.body for item in clean(page).get("html")]
    assert 'preload="none"' in player
    assert f"/takes/{job.id}/poster.jpg" in player
    assert "<script" not in player
    page.button(key=f"tile.open.{job.id}").click().run()
    assert page.query_params["job"] == job.id


def test_a_take_goes_on_from_its_last_frame_and_every_draft_comes_back() -> None:
    job = write(prompt="A heron lifts off.")
    page = filled(prompt="Half a sentence")
    first = page.session_state["lucy14b.image"].picture.key
    page.button(key=f"stage.continue.{job.id}").click().run()
    frame = page.session_state["lucy14b.image"].picture
    assert (frame.width, frame.height) == (320, 180)
    assert frame.key not in (first, job.still)
    assert clean(page).text_area(key="lucy14b.prompt").value == "A heron lifts off."
    assert "Filled from the last frame of a take" in captions(page)
    page.text_area(key="lucy14b.prompt").set_value("It flies on.").run()
    page.button(key=f"stage.edit.{job.id}").click().run()
    assert page.session_state["lucy14b.image"].picture.key == job.still
    page.button(key="lucy14b.bring-back").click().run()
    assert page.text_area(key="lucy14b.prompt").value == "It flies on."
    assert page.session_state["lucy14b.image"].picture.key == frame.key
    page.button(key="lucy14b.bring-back").click().run()
    assert page.text_area(key="lucy14b.prompt").value == "Half a sentence"
    assert page.session_state["lucy14b.image"].picture.key == first
    assert "Filled from" not in captions(clean(page))
    assert len(stored()) == 1, "filling a form sent something"


def test_what_is_made_from_a_take_names_it() -> None:
    job = write(prompt="A heron lifts off.")
    page = model_page("lucy14b").run()
    page.button(key=f"stage.continue.{job.id}").click().run()
    generate_button(page, "lucy14b").click().run()
    child = next(made for made in stored() if made.id != job.id)
    assert (child.parent_id, child.continues) == (job.id, True)
    assert "Filled from" not in captions(clean(page)), "the next one would name it too"


def test_a_take_shows_its_family() -> None:
    first = write(State.FAILED, prompt="first", error=JobError(kind="x", message="No."))
    second = write(prompt="second", parent_id=first.id)
    page = clean(jobs_page(second.id).run())
    assert page.button(key=f"family.{second.id}.{first.id}").label == "first"
    page.button(key=f"family.{second.id}.{first.id}").click().run()
    assert page.query_params["job"] == first.id
    assert page.button(key=f"family.{first.id}.{second.id}").label == "second"
    assert "**Family**" not in [text.value for text in jobs_page(write(prompt="alone").id).run().markdown]


def test_remarks_are_kept_as_they_are_made() -> None:
    job = write(prompt="one")
    page = jobs_page(job.id).run()
    page.text_area(key=f"remark.note.{job.id}").set_value("The client liked it.").run()
    page.multiselect(key=f"remark.tags.{job.id}").set_value(["launch"]).run()
    kept = current().get(OWNER, job.id)
    assert (kept.note, kept.tags) == ("The client liked it.", ("launch",))
    page.button(key=f"opened.bin.{job.id}").click().run()
    assert current().get(OWNER, job.id).binned_at is not None
    assert clean(page).button(key=f"opened.bin.{job.id}").label == "Take out of the bin"
    assert not jobs_page().run().dataframe, "what is in the bin is listed"
    page.button(key=f"opened.bin.{job.id}").click().run()
    assert current().get(OWNER, job.id).binned_at is None


def test_a_take_under_way_cannot_be_binned() -> None:
    job = write(State.RUNNING)
    page = clean(jobs_page(job.id).run())
    assert f"opened.bin.{job.id}" not in [button.key for button in page.button]


def test_an_address_opens_a_take_and_close_leaves_it() -> None:
    job = write(prompt="Opened by its address.")
    page = clean(jobs_page(job.id).run())
    assert "Opened by its address." in [text.value for text in page.text]
    assert any("asked for" in code.value for code in page.code), "the timeline"
    page.button(key="jobs.close").click().run()
    assert not clean(page).code


@pytest.mark.parametrize("address", ["unknown", "../../etc/passwd", "<script>", "%00", "x" * 2000])
def test_an_address_of_nothing_says_so(address: str) -> None:
    write()
    page = clean(jobs_page(address).run())
    assert "There is no such take." in page.warning[0].value
    page.button(key="jobs.close-missing").click().run()
    assert not clean(page).warning
    assert page.dataframe


# --- Splice --------------------------------------------------------------------------------------------------------


def labels(page: AppTest) -> list[str]:
    return [item.label for item in page.session_state["splice.clips"]]


def test_splice_arranges_and_submits() -> None:
    page = model_page("splice").run()
    for name in ("lighthouse", "valley", "balloon"):
        page.button(key=f"splice.clips.sample.{name}").click().run()
    assert labels(clean(page)) == ["Lighthouse at dusk", "Valley at sunrise", "Hot-air balloon"]
    page.button(key="splice.clips.Earlier.2").click().run()
    page.button(key="splice.clips.Later.0").click().run()
    assert labels(page) == ["Hot-air balloon", "Lighthouse at dusk", "Valley at sunrise"]
    page.button(key="splice.clips.Take out.1").click().run()
    assert labels(clean(page)) == ["Hot-air balloon", "Valley at sunrise"]
    page.number_input[0].set_value(1.5).run()
    assert generate_label(page, "splice") == "Splice · free"
    generate_button(page, "splice").click().run()
    [job] = stored()
    assert [(clip["label"], clip["seconds"]) for clip in job.inputs["clips"]] == [
        ("Hot-air balloon", 1.5),
        ("Valley at sunrise", 3.0),
    ]
    assert (job.model, job.provider, job.options) == ("splice", "preview", {})
    assert job.still == job.inputs["clips"][0]["key"]
    assert not errors(clean(page))


def test_splice_of_one_clip_is_refused() -> None:
    page = model_page("splice").run()
    page.button(key="splice.clips.sample.valley").click().run()
    generate_button(page, "splice").click().run()
    assert errors(clean(page)) == ["Choose 2 to 10 clips."]
    assert stored() == []


@pytest.mark.usefixtures("with_key")
def test_splice_at_fal_says_what_fal_cannot_do() -> None:
    page = model_page("splice").run()
    page.button(key="splice.try").click().run()
    generate_button(page, "splice").click().run()
    [message] = errors(clean(page))
    assert "no stills" in message
    assert stored() == []


def test_splice_takes_uploads_and_tells_of_bad_ones() -> None:
    page = model_page("splice").run()
    page.file_uploader(key="splice.clips.drop.0").set_value(
        [("one.jpg", jpeg(seed=1), "image/jpeg"), ("film.mp4", b"not a film", "video/mp4")]
    ).run()
    assert labels(clean(page)) == ["one.jpg"]
    [message] = errors(page)
    assert "film.mp4" in message


def test_splice_offers_earlier_takes() -> None:
    job = write(prompt="A take to join.")
    page = model_page("splice").run()
    page.button(key=f"splice.clips.take.{job.id}").click().run()
    assert labels(clean(page)) == ["A take to join."]
    assert job.video
    assert page.session_state["splice.clips"][0].key == job.video.key


# --- words ---------------------------------------------------------------------------------------------------------


def test_every_state_has_a_look_and_every_charge_a_word() -> None:
    assert set(words.LOOKS) == set(State)
    assert set(words.CHARGED) == set(Charged)
    assert len({look.word for look in words.LOOKS.values()}) == len(State)


@pytest.mark.parametrize("hostile", [*UGLY.values(), "`code` **bold** # head > quote | table - ~s~ :red[x] {y}"])
def test_plain_disarms_every_sign_of_markdown(hostile: str) -> None:
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]()#!|<>$~:]", words.plain(hostile))
    shown = re.sub(r"\\(.)", r"\1", words.plain(hostile), flags=re.S)
    kept = [line.strip() for line in words.clean(hostile).split("\n")]
    assert re.sub("[\u2060\u2068\u2069]", "", shown).split("\n") == kept, "some of it is not shown"
    assert not re.search(r":[A-Za-z/_]|www\.|@\w", shown), "Streamlit makes an icon or a link of it"


def test_splice_stands_with_a_clip_that_is_gone() -> None:
    page = clean(model_page("splice").run())
    page.session_state["splice.clips"] = [
        ClipItem(key=f"{'0' * 64}.mp4", label="Gone"),
        ClipItem(key=f"{'1' * 64}.jpg"),
    ]
    clean(page.run())
    assert "Gone" in everything(page)
