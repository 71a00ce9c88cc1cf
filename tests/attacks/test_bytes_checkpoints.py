"""Checkpoints that somebody made, with valid checksums: refused before anything is allocated."""

import hashlib
import io
import json
import os
import zipfile

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage import schema
from dreamer_tf.storage.arrays import Expected
from dreamer_tf.storage.checkpoints import NEEDS, Checkpoint, CheckpointStore, DamagedCheckpoint

WEIGHTS = {"w": np.arange(6, dtype=np.float32).reshape(3, 2), "n": np.int64(4)}
EXPECTED = Expected(WEIGHTS)
STATE = {"agent": {"steps": 3}}


def check(state):
    schema.check(state.get("agent"), dict[str, schema.Count], "agent")


@pytest.fixture
def store(tmp_path):
    """One good checkpoint, and one that is to be replaced."""
    store = CheckpointStore(tmp_path / "run/checkpoints")
    for number in (1, 2):
        store.save(number, Checkpoint(WEIGHTS, STATE))
    return store


def forge(store, arrays=None, state=None):
    """Replaces files of checkpoint 2 and writes their checksums."""
    path = store.path(2)
    for name, data in (("arrays.npz", arrays), ("state.json", state)):
        if data is not None:
            (path / name).write_bytes(data)
    files = {
        name: {
            "bytes": (path / name).stat().st_size,
            "sha256": hashlib.sha256((path / name).read_bytes()).hexdigest(),
        }
        for name in ("arrays.npz", "state.json")
    }
    (path / "manifest.json").write_text(json.dumps({"format": 2, "number": 2, "files": files}))


def falls_back(store, *words):
    with pytest.raises(DamagedCheckpoint) as error:
        store.load(2, expected=EXPECTED, check=check)
    for word in words:
        assert word in str(error.value), error.value
    number, checkpoint = store.load_latest(expected=EXPECTED, check=check)
    assert number == 1
    np.testing.assert_array_equal(checkpoint.arrays["w"], WEIGHTS["w"])


def archive(**members):
    """An uncompressed .npz of raw members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, data in members.items():
            made.writestr(f"{name}.npy", data)
    return file.getvalue()


def npy(shape="(3, 2)", kind="'<f4'", data=bytes(24), version=b"\x01\x00"):
    """A member with any header."""
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


GOOD_N = npy("()", "'<i8'", bytes(8))


def test_the_archive_that_is_forged_here_would_be_good(store):
    forge(store, archive(w=npy(), n=GOOD_N), json.dumps(STATE).encode())
    loaded = store.load(2, expected=EXPECTED, check=check)
    assert loaded.arrays["w"].tolist() == np.zeros((3, 2)).tolist() and loaded.state == STATE


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"agent": null}',
        b'{"agent": {"steps": "3"}}',
        b'{"agent": {"steps": -1}}',
        b'{"agent": {"steps": 1e30}}',
        b'{"agent": {"steps": NaN}}',
        b'{"agent": {"steps": ' + b"9" * 400 + b"}}",
        b'{"agent": {"steps": ' + b"9" * 5000 + b"}}",
        b'{"model": {"weights": [1, 2, 3]}}',
        b'{"agent": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"agent": ' + b'{"a":' * 100_000,
        b"\xff\xfe\x00{}",
        b'{"agent": {"steps": 3}} {}',
    ],
)
def test_a_foreign_state(store, state):
    forge(store, state=state)
    falls_back(store)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (npy("(1000000, 1000000)"), "not those of shape"),  # 4 TB
        (npy("(1" + "0" * 30 + ",)"), "not those of shape"),
        (npy("(" + "9" * 3000 + ",)"), ""),
        (npy("(-3, -2)"), ""),
        (npy("(" + "1, " * 200 + "6)"), ""),
        (npy("(2, 3)"), "another network: w has shape (2, 3)"),
        (npy(kind="'<f8'", data=bytes(48)), "another network: w has shape (3, 2) of float64"),
        (npy(kind="'|O'"), "allow_pickle"),
        (npy(kind="'<U1'"), "of another network"),
        (npy(kind="[('a', '<f4')]"), ""),
        (npy(data=bytes(25)), "has 153 bytes"),
        (npy(data=b""), "has 128 bytes"),
        (npy(version=b"\x02\x00"), "version (2, 0)"),
        (npy(kind="__import__('os').abort()"), ""),
        (b"\x93NUMPY", ""),
        (b"", ""),
        (npy(data=np.full(6, np.nan, np.float32).tobytes()), "w is not finite"),
        (npy(data=np.full(6, np.inf, np.float32).tobytes()), "w is not finite"),
    ],
)
def test_an_array_that_is_not_what_its_header_says(store, member, words):
    forge(store, archive(w=member, n=GOOD_N))
    falls_back(store, words)


def encrypted():
    """The flag is in the local header and in the directory."""
    data = bytearray(archive(w=npy(), n=GOOD_N))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(signature)
        data[place + offset] |= 1
    return bytes(data)


def bomb():
    """40 MB of zeros in 40 kB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("w.npy", npy("(10000000,)", data=bytes(40_000_000)))
        made.writestr("n.npy", GOOD_N)
    return file.getvalue()


def deflated():
    """The right arrays, and in fewer bytes than the run would write."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("w.npy", npy())
        made.writestr("n.npy", GOOD_N)
    return file.getvalue()


def overlapping():
    """Two entries of the directory that share one member, as in the bombs of 2019."""
    data = archive(w=npy(), n=npy())
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    return data[: place + 42] + bytes(4) + data[place + 46 :]


def twice():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            made.writestr("w.npy", npy())
        made.writestr("n.npy", GOOD_N)
    return file.getvalue()


@pytest.mark.parametrize(
    "made",
    [
        encrypted,
        bomb,
        deflated,
        overlapping,
        twice,
        lambda: b"",
        lambda: b"PK\x03\x04" + bytes(500),
        lambda: archive(w=npy(), n=GOOD_N)[:-30],
        lambda: archive(w=npy(), n=GOOD_N)[50:],
        lambda: archive(w=npy()),
        lambda: archive(v=npy(), n=GOOD_N),
        lambda: archive(w=npy(), n=GOOD_N, extra=npy()),
        lambda: archive(),
        lambda: os.urandom(3000),
    ],
)
def test_an_archive_that_is_none(store, made):
    forge(store, made())
    falls_back(store)


@pytest.mark.timeout(60)
def test_a_huge_file_is_refused_before_it_is_read(store):
    """A sparse file of 2 TB with the right size in the manifest."""
    path = store.path(2)
    os.truncate(path / "arrays.npz", 2**41)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["arrays.npz"]["bytes"] = 2**41
    (path / "manifest.json").write_text(json.dumps(manifest))
    falls_back(store, "another network: arrays.npz is too large")
    os.truncate(path / "state.json", 2**41)
    falls_back(store)


@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "manifest.json"])
@pytest.mark.parametrize("kind", ["zero", "link", "pipe", "directory"])
def test_only_regular_files_are_read(store, tmp_path, name, kind):
    path = store.path(2) / name
    data = path.read_bytes()
    path.unlink()
    if kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "link":  # with the very contents
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    falls_back(store)


def test_a_checkpoint_that_is_a_link_or_a_file_is_none(store, tmp_path):
    elsewhere = store.path(2).rename(tmp_path / "elsewhere")
    store.path(2).symlink_to(elsewhere)
    falls_back(store, "link")
    store.path(2).unlink()
    store.path(2).write_bytes(b"")
    falls_back(store)


@pytest.mark.parametrize(
    "name", ["/dev/zero", "../../../../../../dev/zero", "..", "", "pipe", "link", "/etc/hostname"]
)
def test_files_beside_are_regular_and_inside(store, name):
    base = store.directory.parent
    os.mkfifo(base / "pipe")
    (base / "link").symlink_to("/dev/zero")
    needs = {name: {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}}
    forge(store, state=json.dumps(STATE | {NEEDS: needs}).encode())
    falls_back(store)


@pytest.mark.parametrize(
    "manifest",
    [
        b"[" * 60_000,
        b"[" * 10_000_000,
        b"\xff",
        b"7",
        b'{"format": 2}',
        b'{"format": 2, "files": []}',
        b'{"format": 2, "files": {"arrays.npz": 7}}',
        b'{"format": 2, "files": {"arrays.npz": {"bytes": -1, "sha256": ""}}}',
        b'{"format": 2e400, "files": {}}',
        b'{"format": "' + b"x" * 50_000 + b'"}',
    ],
)
def test_a_manifest_that_is_none(store, manifest):
    (store.path(2) / "manifest.json").write_bytes(manifest)
    falls_back(store)


@pytest.mark.parametrize("name", ["ckpt-0000099", "ckpt-99", "ckpt-٣٣٣٣٣٣", "ckpt-" + "9" * 200])
def test_names_that_no_run_gives(store, name):
    (store.directory / name).mkdir()
    assert set(store.numbers()) - {int("9" * 200)} == {1, 2}
    assert store.load_latest(expected=EXPECTED, check=check)[0] == 2


def test_if_none_is_left_the_sentence_says_why(store):
    for path in (store.path(1), store.path(2)):
        (path / "state.json").write_bytes(b"{}")
    with pytest.raises(UserError, match=r"None of the 2 .*state\.json has changed.*--base_dir"):
        store.load_latest(expected=EXPECTED, check=check)


def test_a_file_that_must_not_be_read_is_no_damage(store, monkeypatch):
    """An older checkpoint in its place would lose training for nothing."""
    real = os.open

    def refuse(path, *arguments, **settings):
        if path == "arrays.npz":
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **settings)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError):
        store.load_latest(expected=EXPECTED, check=check)


def test_damaged_newer_checkpoints_do_not_push_out_good_older_ones(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for number in (1, 2, 3, 4):
        store.save(number, Checkpoint(WEIGHTS, STATE))
    for number in (5, 6):
        store.save(number, Checkpoint(WEIGHTS, STATE))
        store.path(number).joinpath("state.json").write_bytes(b"{}")
    # With a matching size: found by its checksum only.
    path = store.path(5) / "state.json"
    path.write_bytes(json.dumps(STATE | {"agent": {"steps": 4}}).encode())
    assert store.load_latest(expected=EXPECTED, check=check)[0] == 4
    store.save(7, Checkpoint(WEIGHTS, STATE))
    assert {4, 7} <= set(store.numbers())
    store.path(7).joinpath("manifest.json").unlink()
    assert store.load_latest(expected=EXPECTED, check=check)[0] == 4
    for number in (8, 9):
        store.save(number, Checkpoint(WEIGHTS, STATE))
    assert store.numbers() == [8, 9]


@pytest.mark.parametrize("keep", [0, -1, -5])
def test_the_newest_is_never_removed(tmp_path, keep):
    store = CheckpointStore(tmp_path, keep=keep)
    for number in (1, 2, 3):
        store.save(number, Checkpoint(WEIGHTS, STATE))
    assert store.numbers() == [3]
