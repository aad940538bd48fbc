"""The contract of MediaStore, run over every implementation: add yours as one line of STORES."""

import errno
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import NotFound, StorageFull
from core.media.local import LocalMediaStore
from core.media.store import MediaStore, Stored, key_of

STORES: dict[str, Callable[[Path], MediaStore]] = {
    "local": lambda folder: LocalMediaStore(folder / "media"),
}

BYTES = b"\xff\xd8 some picture"
ABSENT = "0" * 64 + ".jpg"
NO_KEYS = (
    "",
    "x.jpg",
    "../" + "a" * 61 + ".jpg",
    "a" * 64,
    "a" * 64 + ".jpg\n",
    "A" * 64 + ".jpg",
    "a" * 64 + ".jpg/../../secret",
    "a" * 64 + ".",
    "/etc/passwd",
    "..",
    "\x00",
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    return STORES[request.param](tmp_path)


def test_put_gives_the_key_of_the_content_and_the_bytes_come_back(store: MediaStore) -> None:
    stored = store.put(BYTES, "jpg")
    assert stored == Stored(hashlib.sha256(BYTES).hexdigest() + ".jpg", len(BYTES), "image/jpeg")
    assert store.read(stored.key) == BYTES
    assert store.stat(stored.key) == stored


def test_the_same_bytes_are_one_file(store: MediaStore) -> None:
    assert store.put(BYTES, "png") == store.put(BYTES, "png")
    store.delete(key_of(BYTES, "png"))
    assert store.stat(key_of(BYTES, "png")) is None


def test_the_extension_is_part_of_the_name(store: MediaStore) -> None:
    assert store.put(BYTES, "jpg").key != store.put(BYTES, "png").key


@pytest.mark.parametrize(
    ("extension", "content_type"),
    [("jpg", "image/jpeg"), ("png", "image/png"), ("mp4", "video/mp4"), ("mov", "video/quicktime"),
     ("wav", "audio/wav"), ("mp3", "audio/mpeg")],
)  # fmt: skip
def test_every_kind_has_its_content_type(store: MediaStore, extension: str, content_type: str) -> None:
    stored = store.put(BYTES, extension)
    assert stored.content_type == content_type
    assert store.stat(stored.key) == stored


def test_take_keeps_the_file_and_removes_the_source(store: MediaStore, tmp_path: Path) -> None:
    source = tmp_path / "download.part"
    source.write_bytes(BYTES * 1000)
    stored = store.take(source, "mp4")
    assert stored == Stored(key_of(BYTES * 1000, "mp4"), len(BYTES) * 1000, "video/mp4")
    assert store.read(stored.key) == BYTES * 1000
    assert not source.exists()


def test_take_of_what_is_there_already_removes_the_source_too(store: MediaStore, tmp_path: Path) -> None:
    store.put(BYTES, "mp4")
    source = tmp_path / "again"
    source.write_bytes(BYTES)
    assert store.take(source, "mp4").key == key_of(BYTES, "mp4")
    assert not source.exists()


def test_take_of_an_empty_file_works(store: MediaStore, tmp_path: Path) -> None:
    source = tmp_path / "empty"
    source.write_bytes(b"")
    assert store.read(store.take(source, "wav").key) == b""


def test_local_is_a_readable_path(store: MediaStore) -> None:
    key = store.put(BYTES, "jpg").key
    with store.local(key) as path:
        assert path.read_bytes() == BYTES


def test_what_is_not_there(store: MediaStore) -> None:
    assert store.stat(ABSENT) is None
    store.delete(ABSENT)
    with pytest.raises(NotFound):
        store.read(ABSENT)
    with pytest.raises(NotFound), store.local(ABSENT):
        pytest.fail("the context must not be entered")


def test_a_deleted_file_is_gone_and_may_come_back(store: MediaStore) -> None:
    key = store.put(BYTES, "jpg").key
    store.delete(key)
    store.delete(key)
    assert store.stat(key) is None
    with pytest.raises(NotFound):
        store.read(key)
    assert store.put(BYTES, "jpg").key == key
    assert store.read(key) == BYTES


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_is_not_a_key_is_never_looked_up(store: MediaStore, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("must not be read")
    assert store.stat(key) is None
    store.delete(key)
    with pytest.raises(NotFound):
        store.read(key)
    assert (tmp_path / "secret").exists()


def test_nothing_hides_behind_a_real_key(store: MediaStore) -> None:
    key = store.put(BYTES, "jpg").key
    for more in ("/x.jpg", "/../x.jpg", "\n.jpg", ".jpg"):
        assert store.stat(key + more) is None
        store.delete(key + more)
    assert store.read(key) == BYTES


def test_an_unknown_extension_is_a_mistake_of_the_caller(store: MediaStore, tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(BYTES)
    with pytest.raises(KeyError):
        store.put(BYTES, "exe")
    with pytest.raises(KeyError):
        store.take(source, "exe")
    assert source.exists()


def test_many_writers_of_the_same_bytes_agree(store: MediaStore) -> None:
    data = BYTES * 50_000
    with ThreadPoolExecutor(8) as pool:
        keys = {stored.key for stored in pool.map(lambda _: store.put(data, "jpg"), range(24))}
    assert keys == {key_of(data, "jpg")}
    assert store.read(keys.pop()) == data


def test_keys_lists_every_file_once(store: MediaStore, tmp_path: Path) -> None:
    assert list(store.keys()) == []
    before = datetime.now(UTC) - timedelta(seconds=5)  # a store's clock is not ours to the second
    source = tmp_path / "download.part"
    source.write_bytes(b"film")
    os.utime(source, (1, 1))
    kept = [store.put(bytes([number]) * (number + 1), "jpg") for number in range(40)] + [store.take(source, "mp4")]
    gone = store.put(b"gone", "png")
    store.delete(gone.key)
    listed = list(store.keys())
    assert sorted((file.key, file.bytes) for file in listed) == sorted((file.key, file.bytes) for file in kept)
    assert all(before <= file.modified <= datetime.now(UTC) + timedelta(seconds=5) for file in listed), (
        "not its age here"
    )


def test_files_may_be_deleted_while_they_are_listed(store: MediaStore) -> None:
    for number in range(300):
        store.put(f"{number}".encode(), "jpg")
    for file in store.keys():  # noqa: SIM118
        store.delete(file.key)
    assert list(store.keys()) == [], "one was passed over"


# --- Only of the folder -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path / "media")


def files(folder: LocalMediaStore) -> list[str]:
    return sorted(str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file())


def test_files_lie_under_the_first_two_letters_and_no_part_stays(folder: LocalMediaStore) -> None:
    key = folder.put(BYTES, "jpg").key
    assert files(folder) == [f"{key[:2]}/{key}"]


def test_what_is_given_again_counts_as_new(folder: LocalMediaStore, tmp_path: Path) -> None:
    put, taken = folder.put(BYTES, "jpg").key, folder.put(BYTES, "mp4").key
    source = tmp_path / "download"
    source.write_bytes(BYTES)
    for key in (put, taken):
        with folder.local(key) as path:
            os.utime(path, (1, 1))
    assert {file.modified.year for file in folder.keys()} == {1970}  # noqa: SIM118
    folder.put(BYTES, "jpg")
    folder.take(source, "mp4")
    young = datetime.now(UTC) - timedelta(minutes=1)
    assert all(file.modified > young for file in folder.keys()), "a still in a form would be swept away"  # noqa: SIM118


def test_what_is_no_media_file_is_not_listed(folder: LocalMediaStore) -> None:
    key = folder.put(BYTES, "jpg").key
    (folder.parts / key).write_bytes(b"half")
    other = "cd" * 32 + ".jpg"
    for stray in (folder.root / "notes.txt", folder.root / key[:2] / "x.jpg", folder.root / key[:2] / other):
        stray.write_bytes(b"somebody else's")
    assert [file.key for file in folder.keys()] == [key], "a file that is not ours could be deleted"  # noqa: SIM118


def test_a_damaged_file_is_written_anew(folder: LocalMediaStore) -> None:
    key = folder.put(BYTES, "jpg").key
    with folder.local(key) as path:
        path.write_bytes(b"half")
    assert folder.put(BYTES, "jpg").bytes == len(BYTES)
    assert folder.read(key) == BYTES


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_leaves_nothing_behind(
    folder: LocalMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    source = tmp_path / "download"
    source.write_bytes(BYTES)

    def full(_: int) -> None:
        raise OSError(code, "No space left on device", str(folder.root))

    def other_disk(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageFull, match="no room left") as caught:
            folder.put(BYTES, "jpg")
        assert str(folder.root) not in caught.value.message
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", other_disk)
        patch.setattr("shutil.copyfileobj", lambda *_: full(0))
        with pytest.raises(StorageFull):
            folder.take(source, "mp4")
    assert source.read_bytes() == BYTES
    assert files(folder) == []


def test_take_from_another_disk_copies(
    folder: LocalMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "download"
    source.write_bytes(BYTES)
    rename = os.replace

    def other_disk(old: Path, new: Path) -> None:
        if old == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(old, new)

    monkeypatch.setattr("os.replace", other_disk)
    key = folder.take(source, "mp4").key
    assert folder.read(key) == BYTES
    assert not source.exists()
    assert files(folder) == [f"{key[:2]}/{key}"]


def test_another_fault_of_the_disk_is_not_called_full(folder: LocalMediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        folder.put(BYTES, "jpg")


def test_sweep_removes_stale_parts_only(folder: LocalMediaStore) -> None:
    key = folder.put(BYTES, "jpg").key
    stale, fresh = folder.parts / "stale", folder.parts / "fresh"
    for part in (stale, fresh):
        part.write_bytes(b"half")
    os.utime(stale, (1, 1))
    assert folder.sweep(3600) == 1
    assert not stale.exists()
    assert fresh.exists()
    assert folder.read(key) == BYTES
