"""Made-up takes with real files: a year of an owner and of colleagues, and a hundredth of all of them under way."""

import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from core.jobs import transfer
from core.jobs.job import NEVER, Event, Job, JobError, State, Video, utc_now
from core.media import video
from core.media.local import LocalMediaStore
from core.models import MODELS
from core.preview.encode import Writer
from core.samples import SAMPLES
from core.stores.sqlite import SqliteJobStore

OWNER = "anon-00000000-0000-4000-8000-000000000001"
COLLEAGUES = tuple(f"anon-00000000-0000-4000-8000-{number:012}" for number in range(2, 22))
OTHERS = 10  # one take in ten belongs to a colleague
LIVE = 100  # one take in so many is under way
APART_S, LIVE_APART_S = 300, 10  # seconds between two takes that ended, and between two that are under way
NEEDLE = "zeppelin"  # a word of a single take, in the middle of them
ENDS = [State.SUCCEEDED] * 88 + [State.FAILED] * 8 + [State.CANCELLED] * 3 + [State.UNKNOWN]
# Most of what is under way waits here: FAL_MAX_IN_FLIGHT is 8. The first is the owner's only one.
MOTIONS = [State.WAITING] * 6 + [State.QUEUED, State.RUNNING, State.WAITING, State.SAVING]
SHAPES = ((640, 360), (640, 360), (360, 640), (480, 480))  # pixels; most takes lie across
CUTS = 4  # stills of each sample and shape
CLIP_FRAMES, CLIP_FPS = 48, 24
TOPICS = (
    "lighthouse heron balloon waves fog dawn dusk valley snow train market rain neon city river cat dog child runner kite storm "
    "desert dune moon star forest pine leaf window piano dancer robot car bridge boat harbour gull cloud smoke fire candle shadow "
    "mirror glass paper tower castle meadow horse"
)


@dataclass(frozen=True)
class Files:
    """What the takes have on disk, shared by many of them: keys of stills, and videos with their posters."""

    stills: Sequence[str]
    videos: Sequence[Video]


def fill(folder: Path, entries: Iterable[transfer.Entry]) -> None:
    """Put takes into the data folder of an installation, just as they are."""
    with closing(SqliteJobStore(folder / "takes.db")) as store:
        transfer.fill(store, entries)


def past(count: int, there: Files) -> Iterator[transfer.Entry]:
    """Takes that have ended, five minutes apart, the oldest first."""
    chance = random.Random(7)
    now = utc_now() - timedelta(hours=3)
    for number in range(count):
        made = now - timedelta(seconds=APART_S * (count - number) + chance.random())
        state = chance.choice(ENDS)
        owner = OWNER if chance.randrange(OTHERS) else chance.choice(COLLEAGUES)
        needle = f" {NEEDLE}" if number == count // 2 else ""
        yield _entry(
            _asked(chance, OWNER if needle else owner, made, there, needle),
            state=state,
            starred=chance.random() < 0.02,
            submitted_at=made,
            finished_at=made + timedelta(seconds=chance.uniform(10, 60)),
            error=JobError(kind="k", message="The content check refused the prompt.")
            if state is State.FAILED
            else None,
            video=_video(chance, there) if state is State.SUCCEEDED else None,
        )


def under_way(owners: Sequence[str], there: Files) -> Iterator[transfer.Entry]:
    """A take in motion for each of these, ten seconds apart, the oldest first. None is ever due: no worker touches them."""
    chance = random.Random(8)
    now = utc_now()
    before: Counter[str] = Counter()
    for number, owner in enumerate(owners):
        made = now - timedelta(seconds=LIVE_APART_S * (len(owners) - number))
        state = MOTIONS[before[owner] % len(MOTIONS)]
        before[owner] += 1
        yield _entry(
            _asked(chance, owner, made, there, provider="fal"),
            state=state,
            submitted_at=None if state is State.WAITING else made,
            started_at=made if state in (State.RUNNING, State.SAVING) else None,
            position=number if state is State.QUEUED else None,
            progress=0.4 if state is State.RUNNING else None,
            output={"location": "https://example.invalid/video.mp4"} if state is State.SAVING else None,
        )


def _asked(chance: random.Random, owner: str, made: datetime, there: Files, more: str = "", provider: str = "") -> Job:
    """What somebody asked for at that moment."""
    prompt = " ".join(chance.choices(TOPICS.split(), k=chance.randrange(6, 30))) + more
    provider = provider or ("preview" if chance.random() < 0.3 else "fal")
    model, still = chance.choice(list(MODELS)), chance.choice(there.stills)
    price = 0.0 if provider == "preview" else round(chance.random(), 2)
    return Job(
        owner=owner,
        model=model,
        provider=provider,
        endpoint="local" if provider == "preview" else MODELS[model].endpoint,
        prompt=prompt,
        inputs={"prompt": prompt, "image": still, "aspect_ratio": "16:9"},
        still=still,
        estimate_low_usd=price,
        cost_estimate_usd=price,
        created_at=made,
        rank=made.timestamp(),
        due_at=NEVER,
        updated_at=made,
    )


def _entry(job: Job, *, state: State, **changes: object) -> transfer.Entry:
    """The job in its state, with the logs that it has by then, and a line of history."""
    logs = [] if state is State.WAITING else ["loading the model", "frame 1 of 24"]
    sent = {"logs": logs, "request_id": job.id} if logs else {}
    moved = job.model_copy(update={"state": state, **sent, **changes})
    return moved, [Event(job_id=job.id, at=job.created_at, from_state=None, to_state=state)]


def _video(chance: random.Random, there: Files) -> Video:
    """One of the videos, said to be 3 to 12 seconds long, so that an order by length has something to do."""
    return chance.choice(there.videos).model_copy(update={"duration_s": round(chance.uniform(3, 12), 2)})


# --- files --------------------------------------------------------------------------------------------------------


def files(folder: Path) -> Files:
    """Cuts of the samples as JPEGs, and pans over them as short MP4s with their posters, in the media of this folder."""
    media = LocalMediaStore(folder / "media")
    stills: list[str] = []
    videos: list[Video] = []
    for sample in SAMPLES:
        with Image.open(BytesIO(sample.read())) as picture:
            whole = picture.convert("RGB")
        for size in dict.fromkeys(SHAPES):
            scale = max(1.5 * size[0] / whole.width, 1.1 * size[1] / whole.height)
            wide = whole.resize((round(whole.width * scale), round(whole.height * scale)))
            stills += [media.put(_jpeg(_cut(wide, size, number / CUTS)), "jpg").key for number in range(CUTS)]
            videos.append(_clip(media, wide, size))
    return Files(stills, videos)


def _cut(wide: Image.Image, size: tuple[int, int], place: float) -> Image.Image:
    """A part of a picture, of this size in pixels, from its left edge (0) to its right one (1)."""
    width, height = size
    left, top = round((wide.width - width) * place), (wide.height - height) // 2
    return wide.crop((left, top, left + width, top + height))


def _jpeg(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def _clip(media: LocalMediaStore, wide: Image.Image, size: tuple[int, int]) -> Video:
    """A pan over the picture."""
    with tempfile.TemporaryDirectory() as name:
        path, poster = Path(name) / "clip.mp4", Path(name) / "poster.jpg"
        with Writer(path, size, CLIP_FPS, "made up") as writer:
            for number in range(CLIP_FRAMES):
                writer.write(np.asarray(_cut(wide, size, number / CLIP_FRAMES)))
        probed = video.probe(path)
        video.write_poster(path, poster)
        shown, kept = media.take(poster, "jpg"), media.take(path, "mp4")
    return Video(
        key=kept.key, poster=shown.key, width=size[0], height=size[1], duration_s=probed.duration_s, fps=CLIP_FPS,
        bytes=kept.bytes, sha256=kept.key.split(".")[0],
    )  # fmt: skip
