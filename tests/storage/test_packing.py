"""Archives of runs: small, the same after unpacking, and harmless when a stranger has made them."""

import gzip
import io
import os
import shutil
import subprocess
import tarfile

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage import packing
from dreamer_tf.storage.files import NotRegular
from dreamer_tf.storage.locking import DirectoryLock

HUGE = 1 << 32  # bytes of a replay file of which a few are written


@pytest.fixture
def run(tmp_path):
    """A run with a sparse file: data at its start, in its middle, and a hole at its end."""
    base_dir = tmp_path / "runs/0"
    (base_dir / "replay").mkdir(parents=True)
    (base_dir / "checkpoints/ckpt-000001").mkdir(parents=True)
    (base_dir / "checkpoints/.ckpt-000002.partial").mkdir()
    (base_dir / "checkpoints/.ckpt-000002.partial/arrays.npz").write_bytes(b"half")
    (base_dir / "checkpoints/ckpt-000001/state.json").write_text("{}")
    (base_dir / "config.gin").write_text("A.b = 1\n")
    (base_dir / "empty").touch()
    with open(base_dir / "replay/observation.bin", "wb") as file:
        file.write(b"a" * 5000)
        file.seek(HUGE // 2)
        file.write(b"b" * 3_000_000)
        file.truncate(HUGE)
    with open(base_dir / "replay/hole.bin", "wb") as file:
        file.truncate(1 << 20)
    return base_dir


def contents(base_dir):
    """Path, size, and the written parts of all files."""
    found = {}
    for path in sorted(base_dir.rglob("*")):
        relative = str(path.relative_to(base_dir))
        if path.is_file() and not relative.startswith(("lock", "lease")):
            with open(path, "rb") as file:
                head = file.read(6000)
                file.seek(HUGE // 2)
                found[relative] = (path.stat().st_size, head, file.read(3_000_100).rstrip(b"\0"))
    return found


@pytest.mark.parametrize("ending", packing.ENDINGS)
def test_a_run_comes_back_as_it_was_and_stays_small(run, tmp_path, ending):
    archive = tmp_path / f"run{ending}"
    size = packing.pack(run, archive)
    assert size == archive.stat().st_size < 4_000_000
    assert packing.unpack(archive, tmp_path / "copy/1") == 5
    shutil.rmtree(run / "checkpoints/.ckpt-000002.partial")
    assert contents(tmp_path / "copy/1") == contents(run)
    copied = tmp_path / "copy/1/replay/observation.bin"
    assert copied.stat().st_blocks * 512 < 8_000_000
    assert os.listdir(tmp_path / "copy") == ["1"]


def test_the_same_run_makes_the_same_archive(run, tmp_path):
    for name in ("one.tar.gz", "two.tar.gz"):
        packing.pack(run, tmp_path / name)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar")
def test_tar_reads_it_too(run, tmp_path):
    packing.pack(run, tmp_path / "run.tar")
    if "GNU" not in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("another tar than that of GNU")
    subprocess.run(["tar", "-xf", "run.tar"], cwd=tmp_path, check=True)
    shutil.rmtree(run / "checkpoints/.ckpt-000002.partial")
    assert contents(tmp_path / "0") == contents(run)


def test_a_run_in_use_is_not_packed(run, tmp_path):
    with DirectoryLock(run), pytest.raises(UserError, match="in use by another process"):
        packing.pack(run, tmp_path / "run.tar")
    assert not (tmp_path / "run.tar").exists()


def test_a_link_is_not_packed(run, tmp_path):
    (run / "secrets").symlink_to("/etc/passwd")
    with pytest.raises(NotRegular, match="is a link"):
        packing.pack(run, tmp_path / "run.tar")
    assert not (tmp_path / "run.tar").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("run.zip", "end the name with one of .tar"), ("runs/0/a.tar", "lies in")]
)
def test_where_an_archive_cannot_be_is_told(run, tmp_path, name, words):
    with pytest.raises(UserError, match=words):
        packing.pack(run, tmp_path / name)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_half_an_archive_does_not_stay(run, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(packing, "_add", fail)
    with pytest.raises(error):
        packing.pack(run, tmp_path / "a.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_directory_that_exists_is_not_touched(run, tmp_path):
    packing.pack(run, tmp_path / "run.tar")
    with pytest.raises(UserError, match="exists already"):
        packing.unpack(tmp_path / "run.tar", run)


def member(name, kind=tarfile.REGTYPE, link="", **headers):
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.pax_headers = kind, link, headers
    return found


def archive_of(path, *members, data=b"data"):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for one in members:
            one.size = len(data) if one.type == tarfile.REGTYPE else 0
            archive.addfile(one, io.BytesIO(data))


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "run/file"}


def sparse(realsize, table):
    """A sparse file whose table says what a stranger likes."""
    headers = SPARSE | {"GNU.sparse.realsize": str(realsize)}
    return member("run/GNUSparseFile.0/file", **headers), table.ljust(512, b"\0")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (member("run/../../escaped"), "lies outside"),
        (member("/tmp/escaped"), "lies outside"),
        (member("run/link", tarfile.SYMTYPE, "/etc/passwd"), "no regular file"),
        (member("run/link", tarfile.LNKTYPE, "../../secret"), "no regular file"),
        (member("run/pipe", tarfile.FIFOTYPE), "no regular file"),
        (member("run/device", tarfile.CHRTYPE), "no regular file"),
        (member("alone"), "no regular file"),
        (member("run/.git/config"), "part of a Git repository"),
    ],
)
def test_what_no_run_holds_is_refused_and_nothing_stays(tmp_path, found, words):
    (tmp_path / "secret").write_text("mine")
    archive_of(tmp_path / "a.tar", member("run/good"), found)
    with pytest.raises(UserError, match=words):
        packing.unpack(tmp_path / "a.tar", tmp_path / "new/1")
    assert sorted(os.listdir(tmp_path)) == ["a.tar", "new", "secret"]
    assert os.listdir(tmp_path / "new") == []


def test_a_file_behind_a_link_is_not_written(tmp_path):
    archive_of(
        tmp_path / "a.tar", member("run/sub", tarfile.SYMTYPE, ".."), member("run/sub/escaped")
    )
    with pytest.raises(UserError, match="no regular file"):
        packing.unpack(tmp_path / "a.tar", tmp_path / "1")


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    archive_of(tmp_path / "a.tar", member("run/a"), member("run/a"))
    with pytest.raises(UserError, match="is there twice"):
        packing.unpack(tmp_path / "a.tar", tmp_path / "1")


@pytest.mark.parametrize(
    ("realsize", "table"),
    [
        (10, b"1\n0\n20\n"),
        (10, b"1\n-5\n5\n"),
        (10, b"1\n5\n-5\n"),
        (10, b"99999999999\n0\n1\n"),
        (10, b"x\n"),
        (-1, b"1\n0\n1\n"),
        (10**30, b"1\n0\n1\n"),
        ("x", b"1\n0\n1\n"),
    ],
)
def test_a_sparse_file_that_lies_is_refused(tmp_path, realsize, table):
    found, data = sparse(realsize, table)
    archive_of(tmp_path / "a.tar", found, data=data + b"d")
    with pytest.raises((UserError, OSError)):
        packing.unpack(tmp_path / "a.tar", tmp_path / "1")
    assert os.listdir(tmp_path) == ["a.tar"]


def test_a_header_without_end_takes_no_memory(tmp_path):
    """64 MiB of a header, which compress to 64 kB."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 26
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(header.tobuf())
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(UserError, match="a header without end"):
        packing.unpack(tmp_path / "a.tar.gz", tmp_path / "1")


def test_an_archive_larger_than_the_disk_is_refused(tmp_path, monkeypatch):
    archive_of(tmp_path / "a.tar", member("run/a"))
    usage = shutil.disk_usage(tmp_path)._replace(free=packing._SPARE + 3)
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="than the disk of"):
        packing.unpack(tmp_path / "a.tar", tmp_path / "1")


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("ending", packing.ENDINGS)
def test_an_archive_that_was_cut_is_refused(run, tmp_path, ending, part):
    archive = tmp_path / f"a{ending}"
    os.truncate(archive, int(part * packing.pack(run, archive)))
    with pytest.raises(UserError, match=r"damaged|holds no files"):
        packing.unpack(archive, tmp_path / "1")
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_an_archive_that_ends_between_two_files_is_refused(tmp_path, blocks):
    archive_of(tmp_path / "a.tar", *(member(f"run/{number}") for number in range(3)))
    os.truncate(tmp_path / "a.tar", blocks * 512)
    with pytest.raises(UserError, match="damaged"):
        packing.unpack(tmp_path / "a.tar", tmp_path / "1")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(os.urandom(5000))
    with pytest.raises(UserError, match="no archive of a run"):
        packing.unpack(tmp_path / "a.tar", tmp_path / "1")


def test_directories_count_too(tmp_path, monkeypatch):
    """An archive of 2 MB held 400,000 of them, and nothing else."""
    monkeypatch.setattr(packing, "_MOST_MEMBERS", 100)
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(200):
            member = tarfile.TarInfo(f"run/{number}")
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
    with pytest.raises(UserError, match="has more than 100 files"):
        packing.unpack(path, tmp_path / "run")
