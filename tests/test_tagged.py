"""Words and settings inside an MP4: what a player gets is the same to the last bit, and what comes in is not trusted."""

import hashlib
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core.errors import InvalidMedia, NotFound
from core.media import tagged
from core.media.boxes import MOST_BOXES, Box, OddError, boxes, build, one
from core.media.tagged import MOST_SETTINGS, NAME, SIGNED, Tags, read, tag, whole
from core.media.video import check_playable, probe
from tests.fal_server.clip import clip
from tests.test_video import film, grainy

SETTINGS = '{"prompt":"A heron 🦢 lifts off.\\nשלום, مرحبا"}'
TAGS = Tags("A heron 🦢", "A heron 🦢 lifts off.\nשלום, مرحبا", SETTINGS)

SOURCES: dict[str, Callable[[Path], Path]] = {
    "index in front": lambda path: film(path, grainy(), sound="aac"),
    "index at the end": lambda path: film(path, grainy(), sound="aac", faststart=False),
    "no sound": lambda path: film(path, grainy()),
    "with a label": lambda path: film(path, grainy(), metadata={"comment": "Local preview", "title": "Old"}),
    "a phone's": lambda path: film(path, grainy(), rotation=90, sound="aac", times=[n + n // 7 for n in range(48)]),
    "H.265, 30 fps": lambda path: film(path, grainy(24), codec="libx265", fps=30),
    "QuickTime's keys": lambda path: with_keys(film(path, grainy()), {"title": "Old", "software": "another"}),
    "wide places": lambda path: with_wide_places(film(path, grainy(), sound="aac", faststart=False)),
    "tagged already": lambda path: written(film(path, grainy()), Tags("Older", "Older", '{"old":1}')),
    "the fake fal's": lambda path: made(path, clip()),
}
EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def made(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def written(path: Path, tags: Tags = TAGS) -> Path:
    """The file with tags in it, in its own place."""
    out = tag(path, tags)
    assert out.why_not == ""
    return made(path, b"".join(out.blocks()))


def with_keys(path: Path, keys: dict[str, str]) -> Path:
    """The same film with its tags as QuickTime writes them."""
    copy = path.with_name("keys.mp4")
    flags = {"movflags": "use_metadata_tags"}
    with av.open(str(path)) as given, av.open(str(copy), "w", format="mp4", options=flags) as out:
        out.metadata.update(keys)
        stream = out.add_stream_from_template(given.streams.video[0], opaque=True)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return copy


def with_wide_places(path: Path) -> Path:
    """The same film with 64-bit places of its frames, as a file of more than 4 GB has them."""
    data = path.read_bytes()

    def wider(box: Box) -> bytes:
        if box.kind == b"stco":
            (count,) = struct.unpack_from(">I", data, box.body + 4)
            places = struct.unpack_from(f">{count}I", data, box.body + 8)
            return build(b"co64", data[box.body : box.body + 8], struct.pack(f">{count}Q", *places))
        if box.kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            return build(box.kind, *map(wider, boxes(data, box.body, box.end)))
        return data[box.start : box.end]

    top = boxes(data, 0, len(data))
    assert top[-1].kind == b"moov", "else the places would have to be moved"
    return made(path, b"".join(map(wider, top)))


def contents(path: Path) -> dict[str, Any]:
    """All that a player gets: every packet with its time, and what the file says of its streams."""
    with av.open(str(path)) as file:
        packets = [
            (p.stream.index, p.pts, p.dts, p.duration, p.is_keyframe, hashlib.sha256(bytes(p)).hexdigest())
            for p in file.demux()
            if p.dts is not None
        ]
        streams = [
            (s.type, s.codec_context.name, s.time_base, s.start_time, s.duration, s.frames, s.language)
            for s in file.streams
        ]
        video = file.streams.video[0]
        looks = (video.average_rate, video.sample_aspect_ratio, video.width, video.height)
        context = video.codec_context
        colours = (context.color_range, context.colorspace, context.color_primaries, context.color_trc)
        length = file.duration
    with av.open(str(path)) as file:
        frames = [
            (frame.pts, frame.rotation, hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in file.decode(video=0)
        ]
    return {
        "packets": packets,
        "streams": streams,
        "looks": looks,
        "colours": colours,
        "length": length,
        "frames": frames,
    }


def tags_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as file:
        return dict(file.metadata)


@EVERY_SOURCE
def test_a_player_gets_the_same_to_the_last_bit(source: Callable[[Path], Path], tmp_path: Path) -> None:
    path = source(tmp_path / "film.mp4")
    before, stored = contents(path), path.read_bytes()
    out = tag(path, TAGS)
    copy = made(tmp_path / "copy.mp4", b"".join(out.blocks()))
    assert out.why_not == ""
    assert out.size == copy.stat().st_size
    assert contents(copy) == before
    assert len(before["packets"]) >= 24
    assert check_playable(copy).duration_s == probe(path).duration_s
    kinds = [box.kind for box in boxes(copy.read_bytes(), 0, out.size)]
    assert kinds.index(b"moov") < kinds.index(b"mdat"), "it would not play before it is loaded whole"
    assert path.read_bytes() == stored, "the stored file was changed"


@EVERY_SOURCE
def test_other_tools_show_the_words(source: Callable[[Path], Path], tmp_path: Path) -> None:
    path = source(tmp_path / "film.mp4")
    before = tags_of(path)
    after = tags_of(written(path))
    assert after["description"] == TAGS.text
    assert after[NAME] == SETTINGS
    assert read(io.BytesIO(path.read_bytes())) == SETTINGS
    if "software" not in before:  # a list of another making stays, and FFmpeg shows the last of two titles
        assert after["title"] == TAGS.title
    assert after.get("encoder") == before.get("encoder")
    assert after["comment"] == before.get("comment", TAGS.text), "a label may say that it is not the AI model"
    lost = before.keys() - after.keys()
    assert not lost


def test_without_words_only_the_settings_are_written(tmp_path: Path) -> None:
    path = written(film(tmp_path / "film.mp4", grainy(24)), Tags("", "", "{}"))
    assert tags_of(path)[NAME] == "{}"
    assert not tags_of(path).keys() & {"title", "description", "comment"}


def test_a_part_is_a_part_of_the_whole(tmp_path: Path) -> None:
    out = tag(film(tmp_path / "film.mp4", grainy(), faststart=False), TAGS)
    everything = b"".join(out.blocks())
    edges = np.cumsum([0, *map(len, out.pieces)]).tolist()
    cuts = sorted({0, 1, 7, *edges, *(edge - 1 for edge in edges[1:]), out.size // 2})
    for start in cuts:
        for end in (*cuts, None):
            assert b"".join(out.blocks(start, end)) == everything[start:end]


def test_it_comes_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged, "BLOCK_BYTES", 1000)
    path = film(tmp_path / "film.mp4", grainy(24))
    out = tag(path, TAGS)
    new = max(len(piece) for piece in out.pieces if isinstance(piece, bytes))
    assert max(map(len, out.blocks())) <= max(new, 1000)
    assert new < path.stat().st_size / 10, "more than the index was read into memory"


def test_the_mark_tells_tags_apart(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", grainy(24))
    assert tag(path, TAGS).mark == tag(path, TAGS).mark != ""
    assert tag(path, TAGS).mark != tag(path, Tags(TAGS.title, TAGS.text, "{}")).mark
    assert whole(path).mark == ""


def top(data: bytes, *, drop: bytes = b"", before: bytes = b"") -> bytes:
    """A file's boxes without one kind, and with something in front."""
    found = boxes(data, 0, len(data))
    return before + b"".join(data[box.start : box.end] for box in found if box.kind != drop)


def places_outside(data: bytes) -> bytes:
    at = data.index(b"stco") + 12
    return data[:at] + struct.pack(">I", len(data) + 5) + data[at + 4 :]


AS_IT_IS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no video": (lambda _: b"<html>Forbidden</html>", "box"),
    "nothing": (lambda _: b"", "moov"),
    "cut off": (lambda data: data[: len(data) // 2], "box"),
    "no index": (lambda data: top(data, drop=b"moov"), "moov"),
    "no frames": (lambda data: top(data, drop=b"mdat"), "no frames"),
    "two indexes": (lambda data: top(data) + data[32:], "2 boxes “moov”"),
    "signed": (lambda data: top(data, before=build(b"uuid", SIGNED, bytes(40))), "Content Credentials"),
    "unknown box": (lambda data: top(data, before=build(b"mfra", bytes(40))), "mfra"),
    "places outside": (places_outside, "not there"),
    "encrypted": (lambda data: data.replace(b"stsz", b"saio", 1), "cannot be moved"),
    "no table": (lambda data: data.replace(b"stco", b"xxxx", 1), "no table"),
    "table cut off": (lambda data: data.replace(b"stco" + bytes(5), b"stco" + bytes(4) + b"\x7f", 1), "cut off"),
}


@pytest.mark.parametrize(("spoil", "why"), AS_IT_IS.values(), ids=AS_IT_IS)
def test_what_cannot_be_tagged_goes_out_as_it_is(spoil: Callable[[bytes], bytes], why: str, tmp_path: Path) -> None:
    path = made(tmp_path / "film.mp4", spoil(clip()))
    out = tag(path, TAGS)
    assert why in out.why_not
    assert b"".join(out.blocks()) == path.read_bytes()
    assert out.mark == ""


def test_a_film_in_fragments_goes_out_as_it_is(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", grainy(), fragmented=True)
    out = tag(path, TAGS)
    assert out.why_not
    assert b"".join(out.blocks()) == path.read_bytes()


def test_settings_that_are_too_long_are_left_out(tmp_path: Path) -> None:
    out = tag(made(tmp_path / "film.mp4", clip()), Tags("", "", "x" * (MOST_SETTINGS + 1)))
    assert "too long" in out.why_not
    assert NAME.encode() not in b"".join(out.blocks())


def test_a_table_that_is_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places of 32 bits end at 4 GB: a sparse file of that size, whose last frame would be moved beyond it."""
    data = film(tmp_path / "film.mp4", grainy(24)).read_bytes()
    last = 2**32 - 100
    at = data.index(b"stco") + 12
    data = data[:at] + struct.pack(">I", last) + data[at + 4 :]
    path = tmp_path / "huge.mp4"
    with path.open("wb") as file:
        mdat = one(boxes(data, 0, len(data)), b"mdat")
        file.write(data[: mdat.start] + struct.pack(">I4sQ", 1, b"mdat", last + 1000 - mdat.start))
        file.truncate(last + 1000)
    out = tag(path, TAGS)
    assert "too large" in out.why_not
    assert out.pieces == (range(last + 1000),)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    for ask in (lambda path: tag(path, TAGS), whole):
        with pytest.raises(NotFound) as caught:
            ask(tmp_path / "gone.mp4")
        assert str(tmp_path) not in caught.value.message


def test_a_file_that_becomes_shorter_meanwhile_is_no_endless_loop(tmp_path: Path) -> None:
    path = made(tmp_path / "film.mp4", clip())
    out = tag(path, TAGS)
    path.write_bytes(clip()[:1000])
    with pytest.raises(OSError, match="shorter"):
        b"".join(out.blocks())


# --- what comes in ----------------------------------------------------------------------------------------------------


def test_a_film_without_settings_has_none(tmp_path: Path) -> None:
    for name, source in SOURCES.items():
        data = source(tmp_path / "film.mp4").read_bytes()
        assert (read(io.BytesIO(data)) is None) == (name != "tagged already")


def carrying(value: bytes, name: bytes = NAME.encode()) -> bytes:
    """The fake fal's clip with a tag of this name and value, whatever they are."""
    free = build(b"----", build(b"mean", bytes(4), b"x"), build(b"name", bytes(4), name), build(b"data", value))
    handler = build(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    udta = build(b"udta", build(b"meta", bytes(4), handler, build(b"ilst", free)))
    data = clip()
    moov = one(boxes(data, 0, len(data)), b"moov")
    return data[: moov.start] + build(b"moov", data[moov.body : moov.end], udta) + data[moov.end :]


KIND = struct.pack(">II", 1, 0)


def test_what_is_found_is_what_was_written() -> None:
    assert read(io.BytesIO(carrying(KIND + b"{}"))) == "{}"
    assert read(io.BytesIO(carrying(KIND + b"{}", b"another_name_1"))) is None
    assert read(io.BytesIO(carrying(b""))) == ""


HOSTILE: dict[str, bytes] = {
    "huge settings": carrying(KIND + b"x" * (MOST_SETTINGS + 1)),
    "not UTF-8": carrying(KIND + b"\xff\xfe{}"),
    "cut in the index": carrying(KIND + b"{}")[:900],
    "no box at all": b"\xff" * 5000,
    "empty": b"",
    "a million boxes": build(b"free") * 100_000,
    "boxes without length": struct.pack(">I4s", 7, b"free") * 50,
    "a length beyond the file": struct.pack(">I4sQ", 1, b"moov", 2**63) + bytes(100),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_told_plainly(data: bytes) -> None:
    with pytest.raises(InvalidMedia) as caught:
        read(io.BytesIO(data))
    assert caught.value.message.startswith(("This video is incomplete", "The settings in this video are damaged"))
    assert "box" not in caught.value.message


def test_only_the_way_to_the_settings_is_read() -> None:
    """A file of 200 MB is not read through: what lies in its frames does not matter."""

    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            part = super().read(size)
            self.count += len(part)
            return part

    data = carrying(KIND + SETTINGS.encode()) + build(b"free", bytes(8_000_000))
    file = Counting(data)
    assert read(file) == SETTINGS
    assert file.count < 5000


def test_boxes_are_counted() -> None:
    assert len(boxes(build(b"free") * MOST_BOXES, 0, 8 * MOST_BOXES)) == MOST_BOXES
    with pytest.raises(OddError, match="more than"):
        boxes(build(b"free") * (MOST_BOXES + 1), 0, 8 * (MOST_BOXES + 1))


def test_every_damaged_byte_of_an_index_is_survived(tmp_path: Path) -> None:
    """Neither side may trip over a file, whatever one byte of it says."""
    good = carrying(KIND + b"{}")
    moov = one(boxes(good, 0, len(good)), b"moov")
    path = tmp_path / "film.mp4"
    random = np.random.default_rng(3)
    told: set[str] = set()
    for at in range(moov.start, moov.end, 3):
        data = bytearray(good)
        data[at] = int(random.integers(256))
        try:
            told.add("found" if read(io.BytesIO(data)) else "none")
        except InvalidMedia as exc:
            told.add(exc.message)
        out = tag(made(path, bytes(data)), TAGS)
        sent = b"".join(out.blocks())
        assert (sent == data) == bool(out.why_not)
        assert out.why_not or read(io.BytesIO(sent)) == SETTINGS
    assert len(told) >= 3, "the damage did nothing"
