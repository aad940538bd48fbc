"""Families of takes: what grew out of what, told as a tree that is bounded and each person's own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.jobs.desk import Desk
from core.jobs.family import Family
from core.jobs.job import Job, Video
from core.stores.sqlite import SqliteJobStore
from tests.test_job import NOW, a_job

OWNER, OTHER = "anon-tester", "anon-somebody-else"


class Tree:
    """Takes of one owner that grow out of each other, a second apart, and how their family is told."""

    def __init__(self, rows: SqliteJobStore) -> None:
        self.rows = rows
        self.count = 0

    def take(self, parent: Job | None = None, *, clips: list[Job] | None = None, **row: Any) -> Job:
        self.count += 1
        key = f"{self.count:064x}"
        film = Video(
            key=f"{key}.mp4", poster=f"{key}.jpg", width=1, height=1, duration_s=1, fps=24, bytes=1, sha256=key
        )
        given: dict[str, Any] = {"prompt": f"take {self.count}"}
        if clips:
            given = {"clips": [{"key": clip.video.key} for clip in clips if clip.video]}
        at = {"created_at": NOW + timedelta(seconds=self.count)}
        grew = {"parent_id": parent.id} if parent else {}
        return self.rows.add(a_job(**{"owner": OWNER, "inputs": given, "video": film, **grew, **at, **row}))

    def told(self, job: Job, owner: str | None = OWNER) -> list[str]:
        """The lines as "depth how take n": the takes are counted as they were made."""

        def number(take: Job) -> int:
            return round((take.created_at - NOW).total_seconds())

        return [f"{kin.depth} {kin.how} take {number(kin.job)}" for kin in self.family(job, owner).lines]

    def family(self, job: Job, owner: str | None = OWNER) -> Family:
        return Desk(self.rows, self.rows, {}).family(owner, job)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    rows = SqliteJobStore(tmp_path / "takes.db")
    yield Tree(rows)
    rows.close()


def test_a_family_is_told_from_the_first_take_to_the_grandchildren(tree: Tree) -> None:
    first = tree.take()
    edited = tree.take(first)
    same = tree.take(edited, inputs=edited.inputs)
    on = tree.take(edited, continues=True)
    child = tree.take(same)
    tree.take(child)
    family = tree.family(edited)
    assert tree.told(edited) == [
        "0 first take 1", "1 edit take 2", "2 retry take 3", "3 edit take 5", "2 continue take 4",
    ]  # fmt: skip
    assert (family.between, family.siblings, family.more, family.is_alone) == (0, (), 0, False)
    assert tree.told(child) == [
        "0 first take 1", "1 edit take 2", "2 retry take 3", "3 edit take 5", "4 edit take 6",
    ]  # fmt: skip
    assert [kin.job.id for kin in tree.family(same).siblings] == [on.id]
    lonely = tree.family(tree.take())
    assert lonely.is_alone, "a take without relatives has a family"


def test_a_splice_stands_below_its_clips_and_they_lead_to_it(tree: Tree) -> None:
    one, two = tree.take(), tree.take()
    spliced = tree.take(clips=[two, one], model="splice")
    again = tree.take(spliced, clips=[two, one], model="splice")
    after = tree.take(again)
    assert tree.told(spliced) == [
        "0 clip take 2", "0 clip take 1", "1 splice take 3", "2 retry take 4", "3 edit take 5",
    ]  # fmt: skip
    assert tree.told(one) == ["0 first take 1", "1 splice take 3", "2 retry take 4"], "the retry stands there twice"
    assert tree.told(after) == [
        "0 clip take 2", "0 clip take 1", "1 splice take 3", "2 retry take 4", "3 edit take 5",
    ]  # fmt: skip
    third = tree.take()
    more = tree.take(spliced, clips=[two, one, third], model="splice")
    assert tree.told(more) == [
        "0 clip take 2", "0 clip take 1", "1 splice take 3", "1 clip take 6", "2 edit take 7",
    ]  # fmt: skip
    assert tree.told(third) == ["0 first take 6", "1 splice take 7"]
    assert "take 6" not in " ".join(tree.told(spliced)), "a clip of an edit is told to be a clip of the first"


def test_of_takes_with_the_same_video_the_newest_before_it_is_its_clip(tree: Tree) -> None:
    """Local preview makes the same file of the same input."""
    old = tree.take()
    new = tree.take(old, video=old.video)
    spliced = tree.take(clips=[new], model="splice")
    tree.take(video=old.video)
    assert tree.told(spliced) == ["0 clip take 2", "1 splice take 3"], "made after it, or told twice"


def test_no_stranger_is_in_a_family(tree: Tree) -> None:
    theirs = tree.take(owner=OTHER)
    mine = tree.take(theirs)
    tree.take(mine, owner=OTHER)
    spliced = tree.take(clips=[mine, theirs], model="splice")
    tree.take(clips=[mine], model="splice", owner=OTHER)
    assert tree.told(mine) == ["0 first take 2", "1 splice take 4"], "somebody else's take is shown"
    assert tree.told(spliced) == ["0 clip take 2", "1 splice take 4"]
    assert "0 first take 1" in tree.told(mine, None)
    sibling = tree.take(theirs)
    assert tree.family(sibling).siblings == (), "relatives by way of a stranger"


def test_a_family_that_bites_its_tail_comes_to_an_end(tree: Tree) -> None:
    one = tree.take(id="one", parent_id="two")
    two = tree.take(one, id="two")
    own = tree.take(id="own", parent_id="own")
    orphan = tree.take(parent_id="no-such-id")
    assert tree.told(one) == ["0 first take 2", "1 edit take 1"]
    assert tree.told(two) == ["0 first take 1", "1 edit take 2"]
    assert tree.told(own) == ["0 first take 3"]
    assert tree.told(orphan) == ["0 first take 4"]
    film = own.video
    assert film is not None
    eaten = tree.take(inputs={"clips": [{"key": film.key}]}, video=film)
    assert tree.told(eaten) == ["0 clip take 3", "1 splice take 5"], "a take that was given what it made"


def test_a_large_family_is_cut_and_what_is_left_out_is_counted(tree: Tree) -> None:
    line = [tree.take()]
    for _ in range(15):
        line.append(tree.take(line[-1]))
    children = [tree.take(line[-1]) for _ in range(14)]
    for _ in range(6):
        tree.take(children[0])
    for _ in range(3):
        tree.take(line[-2])
    family = tree.family(line[-1])
    above = [kin for kin in family.lines if kin.depth <= 10]
    assert [kin.job.id for kin in above] == [line[0].id, *(take.id for take in line[6:])]
    assert family.between == 5
    assert len([kin for kin in family.lines if kin.depth == 11]) == 12
    assert len([kin for kin in family.lines if kin.depth == 12]) == 4
    assert (family.more, family.counted, len(family.siblings)) == (14 - 12 + 6 - 4, True, 3)
    assert len(family.lines) <= 40


def test_more_relatives_than_are_read_are_not_said_to_be_all(tree: Tree) -> None:
    first = tree.take()
    for _ in range(101):
        tree.take(first, video=None)
    family = tree.family(first)
    assert len(family.lines) == 13
    assert (family.more, family.counted) == (88, False)
