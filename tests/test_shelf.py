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


# --- several at once ----------------------------------------------------------------------------------------------


def test_some_are_ones_own_in_the_order_asked_for(studio: Studio) -> None:
    one, two, theirs = take(studio), take(studio), take(studio, "somebody-else")
    ids = [two.id, "gone", theirs.id, one.id, two.id]
    assert [job.id for job in studio.some(OWNER, ids)] == [two.id, one.id]
    assert [job.id for job in studio.some(None, ids)] == [two.id, theirs.id, one.id], "the operator may"
    assert studio.some(OWNER, []) == []


def test_tags_come_and_go_and_the_others_stay(studio: Studio) -> None:
    one, two, theirs = take(studio), take(studio), take(studio, "somebody-else")
    studio.remark(OWNER, [one.id], Remarks(tags=("x", "old"), note="n", rating=2))
    studio.remark("somebody-else", [theirs.id], Remarks(tags=("old",)))
    ids = [one.id, two.id, theirs.id, "gone"]
    assert studio.retag(OWNER, ids, add=[" new  one ", "x"], drop=["old"]) == 2
    assert studio.get(OWNER, one.id).tags == ("x", "new one")
    assert studio.get(OWNER, two.id).tags == ("new one", "x")
    assert (studio.get(OWNER, one.id).note, studio.get(OWNER, one.id).rating) == ("n", 2)
    assert studio.get(None, theirs.id).tags == ("old",), "somebody else's take was written on"
    assert studio.retag(OWNER, ids, add=["x"]) == 0, "what they have already is no change"


def test_tags_that_do_not_fit_one_take_are_put_on_none(studio: Studio) -> None:
    full, bare = take(studio), take(studio)
    studio.remark(OWNER, [full.id], Remarks(tags=tuple(map(str, range(MOST_TAGS)))))
    for add in (["one more"], ["x" * (LONGEST_TAG + 1)]):
        with pytest.raises(InvalidInput, match="at most"):
            studio.retag(OWNER, [bare.id, full.id], add=add)
    assert studio.get(OWNER, bare.id).tags == ()
    assert studio.retag(OWNER, [bare.id, full.id], add=["one more"], drop=["0"]) == 2


def test_stars_are_put_on_several(studio: Studio) -> None:
    one, two = take(studio), ended(studio)
    assert studio.remark(OWNER, [one.id, two.id], Remarks(starred=True)) == 2
    assert studio.count(Search(owner=OWNER, starred=True)) == 2
    assert studio.remark(OWNER, [one.id], Remarks(starred=False)) == 1
    assert [row.id for row in studio.browse(Search(owner=OWNER, starred=True))] == [two.id]
    with pytest.raises(NotFound):
        studio.remark("somebody-else", [one.id], Remarks(starred=True))


def test_what_is_under_way_stays_out_of_the_bin_and_the_rest_goes(studio: Studio) -> None:
    over, before, moving, theirs = ended(studio), ended(studio), take(studio), ended(studio, "somebody-else")
    studio.to_bin(OWNER, [before.id])
    since = studio.get(OWNER, before.id)
    assert studio.to_bin(OWNER, [over.id, before.id, moving.id, theirs.id, "gone"]) == ([over.id], [moving.id])
    assert studio.get(OWNER, over.id).binned_at is not None
    assert studio.get(OWNER, before.id) == since, "its thirty days began anew"
    assert studio.get(OWNER, moving.id).binned_at is None
    assert studio.get(None, theirs.id).binned_at is None
    assert studio.to_bin(OWNER, []) == ([], [])


def test_only_what_is_in_the_bin_is_deleted_for_good(studio: Studio) -> None:
    shared = studio.add_picture(jpeg(seed=9), "still.jpg").key

    def made(owner: str = OWNER) -> Job:
        values = {"image": shared, "prompt": PROMPT}
        return studio.cancel(owner, studio.create(owner, "lucy14b", values, provider="preview", again=True).id)

    own = studio.add_picture(jpeg(seed=8), "still.jpg").key
    alone = studio.create(OWNER, "lucy14b", {"image": own, "prompt": PROMPT}, provider="preview", again=True)
    studio.cancel(OWNER, alone.id)
    binned, out, theirs = made(), made(), made("somebody-else")
    studio.to_bin(OWNER, [alone.id, binned.id])
    studio.to_bin("somebody-else", [theirs.id])
    gone = studio.forget(OWNER, [alone.id, binned.id, out.id, theirs.id, "gone"])
    assert (gone.jobs, gone.files, gone.stuck) == (2, 1, 0)
    assert [job.id for job in studio.some(None, [alone.id, binned.id, out.id, theirs.id])] == [out.id, theirs.id]
    assert studio.media.stat(own) is None
    assert studio.media.stat(shared) is not None, "another take has lost its still"


# --- views --------------------------------------------------------------------------------------------------------


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
