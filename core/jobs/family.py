"""The family of a take: what it grew out of, what grew out of it, and how each of them came about."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from core.jobs.files import videos_given
from core.jobs.job import Job
from core.jobs.store import JobQuery, JobStore

MOST = 40  # takes in a tree; more can be read on no screen
ABOVE = 10  # of them, that the take grew out of: the first, and those nearest to it
CHILDREN, GRANDCHILDREN = 12, 4  # of them, that grew out of the take, and out of each of those
WALKED = 100  # generations that are walked up
READ = 100  # relatives of one kind that are read, and so can be counted


class How(StrEnum):
    """How a take came about."""

    FIRST = "first"  # asked for on its own, or from one that is gone
    RETRY = "retry"  # the same input as its parent's
    EDIT = "edit"  # its parent's settings, changed
    CONTINUE = "continue"  # from its parent's last frame
    SPLICE = "splice"  # its parent's video is one of its clips
    VIDEO = "video"  # its parent's video was given to a model
    CLIP = "clip"  # its video is a clip of the take below it


@dataclass(frozen=True)
class Relative:
    """One line of the tree.

    Args:
        job: the take.
        how: how it came about.
        depth: how far in it stands; it grew out of the nearest line above that stands less far in.
    """

    job: Job
    how: How
    depth: int


@dataclass(frozen=True)
class Family:
    """A take among its relatives.

    Args:
        lines: the tree, from the top down: where it began, the take itself, and two generations that grew out of it.
        between: generations that are left out, after the first take of the line that leads to it.
        siblings: what else grew out of its parent, the oldest first.
        more: relatives that grew out of it and stand in no line.
        counted: whether those are all; False where there are still more of them.
    """

    lines: tuple[Relative, ...]
    between: int = 0
    siblings: tuple[Relative, ...] = ()
    more: int = 0
    counted: bool = True

    @property
    def is_alone(self) -> bool:
        """Whether the take has no relatives."""
        return len(self.lines) == 1 and not self.siblings


def family(store: JobStore, owner: str | None, job: Job) -> Family:
    """The tree around a take. What was deleted is not in it, and no take twice, whatever the rows say.

    A dozen indexed look-ups, however many takes there are.

    Args:
        store: the jobs.
        owner: whose takes are shown; None for everybody's.
        job: the take.
    """
    chain = _chain(store, owner, job)
    lines, between = _above(store, owner, chain)
    seen = {take.id for take in chain} | {kin.job.id for kin in lines}
    below, found, counted = _below(store, owner, lines[-1], seen, MOST - len(lines))
    siblings: list[Relative] = []
    if len(chain) > 1:
        parent = chain[-2]
        others = store.find(JobQuery(owner=owner, parents=frozenset({parent.id}), limit=READ))
        siblings = [Relative(take, _how(take, parent), lines[-1].depth) for take in others if take.id not in seen]
    return Family((*lines, *below), between, tuple(reversed(siblings)), found - len(below), counted)


def _above(store: JobStore, owner: str | None, chain: Sequence[Job]) -> tuple[list[Relative], int]:
    """Lines from where a take began down to the take itself, and how many were left out behind the first of the chain.

    Clips stand before what was spliced of them: those of the first take, and those of this one.
    """
    first, job = chain[0], chain[-1]
    seen = {take.id for take in chain}
    clips = list(_makers(store, owner, first, seen))
    lines = [Relative(take, How.CLIP, 0) for take in clips]
    lines.append(Relative(first, _how(first, clips[0]) if clips else How.FIRST, min(1, len(clips))))
    between = max(0, len(chain) - 1 - ABOVE)
    for parent, take in list(pairwise(chain))[between:]:
        above = lines[-1]
        if take is job:
            besides = seen | {kin.job.id for kin in lines}
            lines += [Relative(clip, How.CLIP, above.depth) for clip in _makers(store, owner, job, besides)]
        lines.append(Relative(take, _how(take, parent), above.depth + 1))
    return lines, between


def _chain(store: JobStore, owner: str | None, job: Job) -> list[Job]:
    """The take, and before it each that the next one grew out of."""
    chain = [job]
    while (parent_id := chain[0].parent_id) and len(chain) <= WALKED:
        parent = store.get(parent_id)
        if parent is None or (owner is not None and parent.owner != owner) or parent.id in {take.id for take in chain}:
            break
        chain.insert(0, parent)
    return chain


def _makers(store: JobStore, owner: str | None, job: Job, besides: Iterable[str]) -> Iterator[Job]:
    """The takes whose videos it was given, in their order; of several with the same video, the newest before it."""
    keys = videos_given(job)
    if not keys:
        return
    known = set(besides) | {job.id}
    made = store.find(JobQuery(owner=owner, made=frozenset(keys), limit=READ))
    for key in keys:
        makers = [take for take in made if take.id != job.id and take.video and take.video.key == key]
        maker = next((take for take in makers if take.created_at <= job.created_at), None)
        if maker is not None and maker.id not in known:
            known.add(maker.id)
            yield maker


def _below(
    store: JobStore, owner: str | None, above: Relative, seen: set[str], room: int
) -> tuple[list[Relative], int, bool]:
    """Lines for what grew out of a take and out of that, how many there would be, and whether these are all."""
    job, depth = above.job, above.depth + 1
    children, all_read = _grown(store, owner, [job], seen)
    ids = {child.id for child in children}
    # What grew out of a child, and was given the take's video as well, stands below that child.
    children = [child for child in children if child.parent_id == job.id or child.parent_id not in ids]
    grand, all_grand = _grown(store, owner, children, seen | {child.id for child in children})
    lines: list[Relative] = []
    shown = children[: min(room, CHILDREN)]
    room -= len(shown)
    for child in shown:
        lines.append(Relative(child, _how(child, job), depth))
        own = [take for take in grand if _parent_of(take, children) is child][: min(room, GRANDCHILDREN)]
        room -= len(own)
        lines += [Relative(take, _how(take, child), depth + 1) for take in own]
    return lines, len(children) + len(grand), all_read and all_grand


def _grown(store: JobStore, owner: str | None, parents: Sequence[Job], seen: set[str]) -> tuple[list[Job], bool]:
    """What grew out of these takes or was given their videos, the oldest first, and whether that is all of it."""
    if not parents:
        return [], True
    born = store.find(JobQuery(owner=owner, parents=frozenset(take.id for take in parents), limit=READ))
    keys = frozenset(take.video.key for take in parents if take.video)
    given = store.find(JobQuery(owner=owner, given=keys, limit=READ)) if keys else []
    found = {take.id: take for take in (*born, *given) if take.id not in seen}
    takes = sorted(found.values(), key=lambda take: (take.created_at, take.id))
    return takes, len(born) < READ and len(given) < READ


def _parent_of(take: Job, parents: Sequence[Job]) -> Job | None:
    """The one of these that a take grew out of, or the first whose video it was given."""
    named = next((parent for parent in parents if parent.id == take.parent_id), None)
    keys = set(videos_given(take))
    return named or next((parent for parent in parents if parent.video and parent.video.key in keys), None)


def _how(take: Job, parent: Job) -> How:
    """How a take came about from the one that it grew out of."""
    if parent.video and parent.video.key in videos_given(take):
        in_a_list = any(parent.video.key in str(value) for value in take.inputs.values() if isinstance(value, list))
        return How.SPLICE if in_a_list else How.VIDEO
    if take.continues:
        return How.CONTINUE
    asked, before = ((kin.model, kin.provider, kin.inputs, kin.options) for kin in (take, parent))
    return How.RETRY if asked == before else How.EDIT
