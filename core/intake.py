"""What comes in from people: stills, clips and sounds, checked, made fit and kept."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import NotFound
from core.media import fetch, images, video
from core.media.store import MediaStore, Stored
from core.models.spec import Clip, Sound, Still
from core.settings import Settings

SIZES_KEPT = 10_000  # sizes of stills that are remembered: a megabyte or two


@dataclass(frozen=True)
class Picture:
    """A stored still: its key, its size in pixels and bytes, and what was done to it on the way in."""

    key: str
    width: int
    height: int
    bytes: int
    notes: tuple[str, ...]


class Intake:
    """The way into the media store.

    Args:
        settings: size limits, and whether private addresses may be fetched.
        media: where files are kept.
    """

    def __init__(self, settings: Settings, media: MediaStore) -> None:
        self.settings = settings
        self.media = media
        self._sizes: dict[str, tuple[int, int]] = {}

    def add_picture(self, data: bytes, name: str, kind: Still | None = None) -> Picture:
        """Check, turn upright and keep a picture.

        Args:
            data: the file as it was given.
            name: its name, for messages.
            kind: the model's limits, where it is for one.

        Raises:
            InvalidMedia: it cannot be used; the message says why and what to do.
        """
        picture = images.read_picture(data, max_bytes=self.settings.max_upload_bytes, name=name)
        if kind is not None:
            images.check_fit(picture.width, picture.height, len(picture.data), kind)
        stored = self.media.put(picture.data, picture.extension)
        return Picture(stored.key, picture.width, picture.height, stored.bytes, picture.notes)

    def add_picture_from(self, url: str, kind: Still | None = None) -> Picture:
        """The same for a picture at an address on the web, fetched by this server."""
        data, name = fetch.fetch_now(
            url, max_bytes=self.settings.max_upload_bytes, allow_private=self.settings.fetch_private_urls
        )
        return self.add_picture(data, name, kind)

    def add_first_frame(self, data: bytes) -> Picture:
        """Keep the first frame of a video as a still; the video itself is not kept. Raises InvalidMedia."""
        with tempfile.TemporaryDirectory(prefix="takes-frame-") as folder:
            path = Path(folder, "given.mp4")
            path.write_bytes(data)
            video.probe(path)  # refuses frames that are too large to be taken apart
            frame = video.first_frame(path)
        return self.add_picture(frame, "first frame.png")

    def add_clip(self, data: bytes, name: str, kind: Clip | None = None) -> Stored:
        """Check and keep an MP4 or MOV. Raises InvalidMedia."""
        clip = video.read_clip(data, max_bytes=self.settings.max_upload_bytes, name=name)
        if kind is not None:
            video.check_clip(clip.probe, kind)
        return self.media.put(clip.data, clip.extension)

    def add_sound(self, data: bytes, name: str, kind: Sound | None = None) -> Stored:
        """Check and keep a WAV or MP3. Raises InvalidMedia."""
        sound = video.read_sound(data, max_bytes=self.settings.max_upload_bytes, name=name)
        if kind is not None:
            video.check_sound(sound, kind)
        return self.media.put(sound.data, sound.extension)

    def picture(self, key: str) -> bytes:
        """A stored still, or the first frame of a stored clip, as picture bytes. Raises NotFound."""
        if not key.endswith(".mp4"):
            return self.media.read(key)
        with self.media.local(key) as path:
            return video.first_frame(path)

    def stored_picture(self, key: str) -> Picture:
        """A still that is stored already, as a form holds it. Raises NotFound."""
        data = self.media.read(key)
        return Picture(key, *images.dimensions(data), len(data), ())

    def picture_size(self, key: str) -> tuple[int, int]:
        """Width and height of a stored still in pixels. Raises NotFound.

        Looked up once for each: a key never changes its meaning.
        """
        if self.media.stat(key) is None:
            raise NotFound("This file is no longer stored here.")
        if key not in self._sizes:
            if len(self._sizes) >= SIZES_KEPT:
                self._sizes.clear()
            self._sizes[key] = images.dimensions(self.media.read(key))
        return self._sizes[key]
