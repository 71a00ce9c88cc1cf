"""One archive of a run, to move or publish it: a tar file that keeps sparse files small.

The files of a replay are as large as its capacity, but only what was written takes space. An
archive holds that part alone, in the format of GNU tar (PAX, sparse 1.0), so that `tar` reads it
too. Reading an archive of a stranger writes regular files and directories below one new directory,
never more than the archive says, and nothing else.
"""

import errno
import gzip
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from dreamer_tf.errors import UserError, printable
from dreamer_tf.storage.files import NotRegular, make_directory, open_file, replacing, write_all
from dreamer_tf.storage.lease import DIRECTORY as LEASE
from dreamer_tf.storage.locking import FILE as LOCK
from dreamer_tf.storage.locking import DirectoryLock
from dreamer_tf.storage.removal import removing

ENDINGS = (".tar", ".tar.gz", ".tar.xz")
_BLOCK = 1 << 20  # bytes that are copied at once
_TAR_BLOCK = 512
_MOST_MEMBERS = 100_000
_MOST_HEADER = 1 << 24  # bytes of everything that describes one member
_SPARE = 1 << 26  # bytes that stay free on the disk
# What reading a damaged or made-up archive raises.
_DAMAGE = (
    *(tarfile.TarError, EOFError, ValueError, LookupError, TypeError, OverflowError),
    *(zlib.error, lzma.LZMAError, gzip.BadGzipFile, RecursionError),
)


def pack(base_dir: str | os.PathLike, out: str | os.PathLike) -> int:
    """Writes an archive of a run that no process is using.

    Args:
      base_dir: base directory of the run.
      out: the archive; its name ends as one of `ENDINGS`.

    Returns:
      Size of the archive in bytes.

    Raises:
      UserError: the run is in use, or the name ends otherwise.
      OSError: a file cannot be read or written, or is a link.
    """
    name = os.fspath(out)
    _ending(name, "--out")
    inside = os.path.commonpath([os.path.realpath(base_dir), os.path.realpath(name)])
    if inside == os.path.realpath(base_dir):
        raise UserError(f"--out={name} lies in the run itself: choose another directory.")
    top = os.path.basename(os.path.abspath(base_dir))
    with DirectoryLock(base_dir), replacing(out) as file:
        with (
            _compressor(file, name) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for relative in _files(os.fspath(base_dir)):
                _add(archive, base_dir, relative, f"{top}/{relative}")
        file.flush()
        return os.fstat(file.fileno()).st_size


def unpack(archive: str | os.PathLike, base_dir: str | os.PathLike) -> int:
    """Makes a run directory from an archive, whoever has made it.

    Args:
      archive: the archive.
      base_dir: the directory to make.

    Returns:
      How many files there are.

    Raises:
      UserError: the directory exists, or the archive is damaged or holds what no run holds.
      OSError: the archive cannot be read, or the directory cannot be written.
    """
    target = os.path.abspath(base_dir)
    if os.path.lexists(target):
        raise UserError(f"--base_dir={base_dir} exists already: choose another directory.")
    make_directory(os.path.dirname(target))
    # Beside it, so that it gets its name only when it is whole.
    partial = tempfile.mkdtemp(prefix=".unpack-", dir=os.path.dirname(target))
    with removing(partial):
        count = _extract(os.fspath(archive), partial)
        os.chmod(partial, 0o755)
        os.rename(partial, target)
    return count


def _ending(name: str, flag: str) -> str:
    for ending in ENDINGS:
        if name.endswith(ending):
            return ending
    raise UserError(f"{flag}={name}: end the name with one of {', '.join(ENDINGS)}.")


def _compressor(file: IO[bytes], name: str) -> Any:
    ending = _ending(name, "--out")
    if ending == ".tar.gz":
        # No time and no name in it: the same run makes the same archive.
        return gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1, mtime=0)
    if ending == ".tar.xz":
        return lzma.LZMAFile(file, "wb", preset=1)
    return open(file.fileno(), "wb", closefd=False)


def _files(base_dir: str) -> Iterator[str]:
    """Paths of all files of a run, without what belongs to a running process."""
    for folder, folders, names in os.walk(base_dir):
        here = os.path.relpath(folder, base_dir)
        folders[:] = sorted(
            name
            for name in folders
            if not (here == "." and name == LEASE) and not name.endswith(".partial")
        )
        for name in (*folders, *names):
            if os.path.islink(os.path.join(folder, name)):
                path = os.path.join(folder, name)
                raise NotRegular(errno.ELOOP, "is a link, but a run has none", path)
        for name in sorted(names):
            if not (here == "." and name == LOCK) and not name.endswith(".partial"):
                yield os.path.normpath(os.path.join(here, name))


def _add(archive: tarfile.TarFile, base_dir: str | os.PathLike, relative: str, name: str) -> None:
    with open(open_file(Path(base_dir, relative), below=base_dir), "rb") as file:
        status = os.fstat(file.fileno())
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = status.st_size, int(status.st_mtime), 0o644
        parts = list(_parts(file.fileno(), status.st_size))
        if sum(size for _, size in parts) == status.st_size:
            file.seek(0)  # `_parts` has moved it
            archive.addfile(member, file)
            return
        table = _table([*parts, (status.st_size, 0)])
        member.name = f"{os.path.dirname(name)}/GNUSparseFile.0/{os.path.basename(name)}"
        member.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": name,
            "GNU.sparse.realsize": str(status.st_size),
        }
        member.size = len(table) + sum(size for _, size in parts)
        archive.addfile(member, _Parts(table, file, parts))  # type: ignore[arg-type]


def _parts(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Offset and size of the parts of a file that hold data."""
    place = 0
    while place < size:
        try:
            start = os.lseek(descriptor, place, os.SEEK_DATA)
        except OSError:
            return  # only a hole is left
        place = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        yield start, place - start


def _table(parts: list[tuple[int, int]]) -> bytes:
    """The list of the parts, as it stands before their contents."""
    lines = [len(parts), *(number for part in parts for number in part)]
    text = "".join(f"{number}\n" for number in lines).encode()
    return text.ljust(-(-len(text) // _TAR_BLOCK) * _TAR_BLOCK, b"\0")


class _Parts:
    """Reads the table and then the parts of a sparse file, one after the other."""

    def __init__(self, table: bytes, file: IO[bytes], parts: list[tuple[int, int]]):
        self._table = io.BytesIO(table)
        self._file = file
        self._left = [part for part in parts if part[1]]

    def read(self, size: int) -> bytes:
        found = self._table.read(size)
        while len(found) < size and self._left:
            (offset, length), *rest = self._left
            self._file.seek(offset)
            block = self._file.read(min(length, size - len(found)))
            if not block:  # it was cut meanwhile; tarfile says so
                break
            used = len(block)
            self._left = [(offset + used, length - used), *rest] if used < length else rest
            found += block
        return found


class _Limited:
    """A stream that refuses to be read without end, as `tarfile` reads what describes a member."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.left: int | None = None  # bytes; None for no limit

    def read(self, size: int = -1) -> bytes:
        if self.left is not None:
            if not 0 <= size <= self.left:
                raise tarfile.ReadError("a header without end")
            self.left -= size
        return self._stream.read(size)

    def seek(self, *place: int) -> int:
        return self._stream.seek(*place)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _decompressor(file: IO[bytes]) -> Any:
    start = file.read(6)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file, mode="rb")
    return lzma.LZMAFile(file) if start == b"\xfd7zXZ\x00" else file


def _extract(name: str, directory: str) -> int:
    count = headers = 0
    with open(open_file(name), "rb") as file:
        try:
            stream = _Limited(_decompressor(file))
            stream.left = _MOST_HEADER
            with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
                while (member := archive.next()) is not None:
                    stream.left = None
                    count += _extract_member(archive, member, directory, name)
                    headers += 1  # of directories, too
                    if headers > _MOST_MEMBERS:
                        raise UserError(f"{name} has more than {_MOST_MEMBERS:,} files.")
                    archive.members.clear()  # tarfile keeps them all
                    stream.left = _MOST_HEADER
                # tarfile takes a cut file, or a header that it cannot read, for the end.
                stream.left = _MOST_HEADER
                stream.seek(archive.offset)
                # To the end, where compressed files have their checksum; tar fills up with zeros.
                if not (rest := stream.read(_MOST_HEADER)) or rest.strip(b"\0"):
                    raise EOFError("it has no end")
        except _DAMAGE as error:
            raise UserError(
                f"{name} is no archive of a run, or damaged ({type(error).__name__}: "
                f"{printable(str(error))[:200]}): make it again with --out."
            ) from error
    if not count:
        raise UserError(f"{name} holds no files.")
    return count


def _extract_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, directory: str, name: str
) -> int:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise _refused(name, member, "lies outside of the run")
    if ".git" in path.parts:
        # Git runs programs that a repository names.
        raise _refused(name, member, "is part of a Git repository")
    if member.isdir():
        return 0  # those that hold files are made with them
    if not member.isreg() or len(path.parts) < 2:
        raise _refused(name, member, "is no regular file of a run")
    target = os.path.join(directory, *path.parts[1:])
    make_directory(os.path.dirname(target))
    table: Any = getattr(member, "sparse", None)  # set by tarfile, and not in its types
    parts: list[tuple[int, int]] = [(0, member.size)] if table is None else list(table)
    if any(offset < 0 or size < 0 or offset + size > member.size for offset, size in parts):
        raise _refused(name, member, "has parts outside of itself")
    needed = sum(size for _, size in parts)
    if needed > shutil.disk_usage(directory).free - _SPARE:
        raise UserError(
            f"{name} holds more than the disk of {os.path.dirname(directory)} has space for: free "
            "some, or choose another --base_dir."
        )
    source = archive.extractfile(member)
    assert source is not None  # a regular file has contents
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        descriptor = open_file(target, flags, below=directory)
    except FileExistsError as error:
        raise _refused(name, member, "is there twice") from error
    try:
        os.ftruncate(descriptor, member.size)
        for offset, size in parts:
            source.seek(offset)
            while size > 0:
                block = source.read(min(size, _BLOCK))
                if not block:
                    raise EOFError("it ends too early")
                write_all(descriptor, block, offset)
                offset, size = offset + len(block), size - len(block)
    finally:
        os.close(descriptor)
    return 1


def _refused(name: str, member: tarfile.TarInfo, why: str) -> UserError:
    return UserError(
        f"{name}: '{printable(member.name)[:200]}' {why}, so nothing was unpacked: take "
        "an archive that dreamer_tf.pack has made."
    )
