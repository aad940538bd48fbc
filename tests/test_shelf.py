"""Remarks, the bin and saved views: what is taken, and that nobody reaches another's."""

from collections.abc import Iterator

import pytest

from core.errors import InvalidInput, NotFound
from core.jobs.history import Remarks, Search
from core.jobs.job import Job
from core.jobs.shelf import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, MOST_VIEWS
from core.settings import load
from core.studio import Studio, open_studio
from tests.engine import OWNER, PROMPT, jpeg, own_log


@pytest.fixture
def studio() -> Iterator[Studio]:
    with own_log():
        yield open_studio(load())


def take(studio: Studio, owner: str = OWNER) -> Job:
    still = studio.add_picture(jpeg(), "still.jpg").key
    return studio.create(owner, "lucy14b", {"image": still, "prompt": PROMPT}, provider="preview", again=True)


def ended(studio: Studio, owner: str = OWNER) -> Job:
    return studio.cancel(owner, take(studio, owner).id)


def test_remarks_are_tidied_and_kept(studio: Studio) -> None:
    job = take(studio)
    studio.remark(OWNER, [job.id], Remarks(note="n", tags=("  two  words ", "", "x", "x"), rating=3))
    kept = studio.get(OWNER, job.id)
    assert (kept.note, kept.tags, kept.rating) == ("n", ("two words", "x"), 3)
    assert studio.tags(OWNER) == ["two words", "x"]


@pytest.mark.parametrize(
    ("remarks", "says"),
    [
        (Remarks(note="x" * (LONGEST_NOTE + 1)), "Shorten it"),
        (Remarks(rating=6), "1 to 5"),
        (Remarks(rating=-1), "1 to 5"),
        (Remarks(tags=tuple(map(str, range(MOST_TAGS + 1)))), "at most"),
        (Remarks(tags=("x" * (LONGEST_TAG + 1),)), "at most"),
        (Remarks(binned=True), "under way"),
    ],
)
def test_a_remark_that_cannot_be_kept_changes_nothing(remarks: Remarks, says: str, studio: Studio) -> None:
    job = take(studio)
    with pytest.raises(InvalidInput, match=says):
        studio.remark(OWNER, [job.id], remarks)
    assert studio.get(OWNER, job.id) == job


def test_nobody_writes_onto_anothers_take(studio: Studio) -> None:
    mine, theirs = ended(studio), ended(studio, "somebody-else")
    for ids in ([theirs.id], [mine.id, theirs.id], [mine.id, "no-such-id"]):
        with pytest.raises(NotFound):
            studio.remark(OWNER, ids, Remarks(note="x", binned=True))
    assert studio.get(None, mine.id) == mine, "half of it was written"
    assert studio.get(None, theirs.id) == theirs
    assert [row.id for row in studio.browse(Search(owner=OWNER))] == [mine.id]
    assert studio.count(Search(owner=OWNER)) == 1
    assert studio.remark(None, [mine.id, theirs.id], Remarks(rating=1)) == 2, "the operator may"


def test_the_bin_and_back(studio: Studio) -> None:
    job = ended(studio)
    studio.remark(OWNER, [job.id], Remarks(binned=True))
    assert studio.browse(Search(owner=OWNER)) == []
    assert [row.id for row in studio.browse(Search(owner=OWNER, binned=True))] == [job.id]
    studio.remark(OWNER, [job.id], Remarks(binned=False))
    assert [row.id for row in studio.browse(Search(owner=OWNER))] == [job.id]
    assert studio.get(OWNER, job.id).binned_at is None


def test_views_have_names_and_an_end(studio: Studio) -> None:
    for name in ("", "   ", "x" * 61):
        with pytest.raises(InvalidInput, match="name"):
            studio.save_view(OWNER, name, "q=x")
    studio.save_view(OWNER, "  The   best ", "rated=4")
    assert studio.views(OWNER) == {"The best": "rated=4"}
    for number in range(MOST_VIEWS - 1):
        studio.save_view(OWNER, str(number), "q=x")
    with pytest.raises(InvalidInput, match="Drop one"):
        studio.save_view(OWNER, "one more", "q=x")
    assert "one more" not in studio.views(OWNER)
    assert studio.views("somebody-else") == {}
