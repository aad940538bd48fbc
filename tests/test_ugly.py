"""Ugly data on every page: nothing breaks, nothing of it is markup, and what is gone is said."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.jobs import transfer
from core.jobs.job import State, utc_now
from core.models.splice import SIZES, closest_size
from core.stores.sqlite import SqliteJobStore
from core.studio import current
from pages.parts import words
from tests.engine import own_log
from tests.test_pages import OWNER, clean, everything, jobs_page, model_page
from tests.ugly import EVIL, TEXTS, Ugly

EVERY_TEXT = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
PIECES = (
    ":material/home", ":red[", ":blue-background[", ":smile:", ":streamlit:", f"://{EVIL}", f"www.{EVIL}", f"me@{EVIL}",
    "<script", "<img", "](", "![", "[[", "$x^2$", "***bold", "~~gone", "```", "# head", "> said", "| a |", "&lt;", "&copy;",
    " -> ", " <- ", " -- ",
)  # fmt: skip
"""What Streamlit's markdown would make something of."""
ACTIVE = re.compile(r"(?<!\\)(?:\\\\)*(?:" + "|".join(map(re.escape, PIECES)) + r")|[\u202a-\u202e\x00-\x08]")
LONGEST = 400_000  # bytes of a page with one take on it, whatever that holds


@pytest.fixture(autouse=True)
def own_studio() -> Iterator[None]:
    """Each test opens a studio of its own."""
    current.cache_clear()
    st.cache_data.clear()
    with own_log():
        yield
    current.cache_clear()


@pytest.fixture
def rows() -> Ugly:
    return Ugly(current(), OWNER)


def marked(page: AppTest) -> list[str]:
    """Everything on the page that Streamlit reads as markdown."""
    values: list[Any] = [
        page.caption,
        page.markdown,
        page.error,
        page.warning,
        page.info,
        page.header,
        page.subheader,
        page.toast,
    ]
    labels: list[Any] = [page.button, page.expander, page.multiselect, page.text_area, page.text_input]
    shown = [str(item.value) for kind in values for item in kind]
    return [*shown, *(str(item.label) for kind in labels for item in kind)]


def inert(page: AppTest) -> AppTest:
    """The page, once it is sure that no text on it acts."""
    for said in marked(clean(page)):
        assert not ACTIVE.search(said), said
    for html in page.get("html"):
        body = re.sub(r'(title|alt|aria-label)="[^"]*"', "", html.proto.body)
        assert not re.search(r"<(script|style|form|iframe)|\son\w+=|javascript:", body), body
        assert EVIL not in body
    return page


# --- texts -------------------------------------------------------------------------------------------------------------


@EVERY_TEXT
@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.RUNNING, State.UNKNOWN])
def test_texts_are_shown_and_do_nothing(text: str, state: State, rows: Ugly) -> None:
    first = rows.text(text, state)
    child = rows.text(text, state, parent_id=first.id)
    rows.text(text, state, parent_id=first.id)
    for page in (model_page("lucy14b"), jobs_page(), jobs_page(child.id)):
        inert(page.run())
    opened = jobs_page(child.id).run()
    assert words.short(text, words.PROMPT_SHOWN) in [item.value for item in opened.text] or not text.strip()
    codes = [item.value for item in opened.code]
    assert words.clean(text) in codes or (len(text) <= words.PROMPT_SHOWN and "\n" not in text.strip())


@EVERY_TEXT
def test_texts_name_models_providers_tags_and_views(text: str, rows: Ugly) -> None:
    job = rows.text(text, model=text or "m", provider=text or "p")
    rows.text(text, State.FAILED, model=text or "m", provider=text or "p")
    if name := " ".join(text.split())[:60]:
        current().save_view(OWNER, name, "q=x")
    gallery = jobs_page()
    gallery.query_params["view"] = "Gallery"
    for page in (jobs_page(), gallery, jobs_page(job.id)):
        inert(page.run())


@EVERY_TEXT
def test_texts_stand_beside_the_field_that_they_refuse(text: str, rows: Ugly) -> None:
    """Errors come from providers, and from the names of files that were dropped."""
    page = model_page("lucy14b")
    page.session_state["lucy14b.errors"] = {"": text, "image": text, "prompt": text}
    page.session_state["lucy14b.prompt"] = text
    assert len(inert(page.run()).error) == 3
    assert page.text_area(key="lucy14b.prompt").value == text


@EVERY_TEXT
def test_plain_text_is_all_there(text: str) -> None:
    said = words.plain(text)
    assert not ACTIVE.search(said)
    bare = re.sub(r"\\([^A-Za-z0-9\s])", r"\1", re.sub("[\u2060\u2068\u2069]", "", said))
    assert bare.split("\n") == [line.strip() for line in words.clean(text).split("\n")], "some of it is lost"


def test_a_text_is_cut_between_signs() -> None:
    assert words.short("one  two\n\nthree", 20) == "one two three"
    assert words.short("a b c d", 5) == "a b…"
    assert words.short("ab👩\u200d🚀cd", 5) == "ab👩…", "half of an emoji's joiner hangs in the air"
    assert words.short("\u202e\x00  \ufeff", 10) == ""
    assert words.called("\u202e ", "Splice", 20) == "Splice"


# --- what is gone ------------------------------------------------------------------------------------------------------

LOST = ("video", "everything", "keys", "nothing")


def test_what_is_gone_breaks_no_page(rows: Ugly) -> None:
    gone = rows.gone()
    gallery = jobs_page()
    gallery.query_params["view"] = "Gallery"
    for page in (jobs_page(), gallery, model_page("lucy14b")):
        inert(page.run())
    for name, job in gone.items():
        page = inert(jobs_page(job.id).run())
        said = [warning.value for warning in page.warning]
        assert ("The file of this take is no longer stored." in said) == (name in LOST), name


def test_a_lost_video_leaves_what_still_works(rows: Ugly) -> None:
    job = rows.gone()["video"]
    page = jobs_page(job.id).run()
    keys = {str(button.key) for button in page.button}
    assert f"opened.edit.{job.id}" in keys
    assert f"opened.star.{job.id}" in keys
    assert not [key for key in keys if "continue" in key or "splice" in key], "what cannot work is offered"
    page.button(key=next(key for key in keys if key.startswith(f"opened.retry.{job.id}"))).click().run()
    clean(page)
    [child] = [made for made in rows.all() if made.parent_id == job.id]
    assert child.state is State.WAITING
    assert child.inputs.items() >= job.inputs.items()


def test_what_has_no_model_any_more_offers_nothing_that_needs_one(rows: Ugly) -> None:
    for name in ("model", "names", "failed"):
        job = rows.gone()[name]
        keys = {str(button.key) for button in clean(jobs_page(job.id).run()).button}
        assert not [key for key in keys if any(act in key for act in (".edit.", ".retry.", ".continue.", ".resend."))]
        assert f"opened.bin.{job.id}" in keys


def test_much_that_was_said_is_cut(rows: Ugly) -> None:
    job = rows.gone()["much was said"]
    page = clean(jobs_page(job.id).run())
    sent = sum(len(item.proto.SerializeToString()) for kind in (page.code, page.error, page.text) for item in kind)
    assert sent < LONGEST, "megabytes are sent to the browser at every run"
    captions = [caption.value for caption in page.caption]
    assert "The last 300 of 3,000 lines." in captions
    assert any(re.fullmatch(r"The first 20,000 of 5,\d{3},\d{3} characters\.", caption) for caption in captions)


def test_unknown_settings_are_told_as_they_are(rows: Ugly) -> None:
    inputs = {
        "strange_thing": {"a": [1, None]},
        "on": True,
        "off": False,
        "none": None,
        "empty": "",
        "list": ["x", 2.5],
    }
    job = rows.take(model="retired-2024", inputs=inputs)
    told = "\n".join(str(item.value) for item in clean(jobs_page(job.id).run()).text)
    for line in ("Strange thing: {'a': [1, None]}", "On: yes", "Off: no", "List: ['x', 2.5]", "Cost: free"):
        assert line in told, line
    assert "None" not in told.replace("[1, None]", "")
    assert "Empty" not in told


# --- through a file ----------------------------------------------------------------------------------------------------


def test_ugly_rows_go_out_and_come_in_as_they_were(rows: Ugly, tmp_path: Any) -> None:
    rows.texts()
    rows.gone()
    lines = [
        line for line in current().export_jsonl() if json.loads(line)["job"]["state"] not in ("waiting", "running")
    ]
    with closing(SqliteJobStore(tmp_path / "other.db")) as other:
        came = transfer.load(other, other, current().media, io.BytesIO("".join(lines).encode()), utc_now())
        assert came.new == len(lines) > len(TEXTS)
        again = list(transfer.to_jsonl(other))
    strip = {"updated_at", "due_at"}
    before, after = (
        {
            json.loads(line)["job"]["id"]: {k: v for k, v in json.loads(line)["job"].items() if k not in strip}
            for line in half
        }
        for half in (lines, again)
    )
    assert before == after, "a text was changed on its way"


def test_the_table_holds_texts_as_they_are(rows: Ugly) -> None:
    rows.texts()
    table = clean(jobs_page().run()).dataframe[0].value
    assert set(table["Prompt"]) == {words.short(text, 200) for text in TEXTS.values()}
    assert "retired" not in everything(jobs_page().run())


# --- splice with -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "size"),
    [
        ((1280, 720), "1280x720"), ((1920, 1080), "1280x720"), ((720, 1280), "720x1280"), ((1024, 1024), "960x960"),
        ((1000, 960), "960x960"), ((3000, 1000), "1280x720"), ((9, 1600), "720x1280"), ((0, 0), "960x960"),
    ],
)  # fmt: skip
def test_a_splice_takes_the_shape_of_its_first_clip(pixels: tuple[int, int], size: str) -> None:
    assert closest_size(*pixels) == size
    assert size in SIZES
