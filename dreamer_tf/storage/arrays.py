"""Reads .npz files of unknown origin: everything is checked before anything is allocated.

Our archives are not compressed. So an honest one is as large as its arrays, and a file can make us
allocate no more than its own size. Its size is checked against the expected shapes first.
"""

import math
import os
import zipfile
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import numpy as np

# Bytes in the archive beside an array: headers of NumPy and of zip, and its name three times.
_OVERHEAD = 2048
_HEADER = 10_000  # bytes of NumPy's header: long ones are slow to parse
# How the reason begins where an archive is whole, but of an agent with other weights.
ANOTHER_NETWORK = "it is of another network"
_KINDS = "biufcSUV"  # numbers, text, and bfloat16, which is stored as V; no objects


class Expected(NamedTuple):
    """What an archive may hold."""

    arrays: Mapping[str, Any]  # arrays or variables by name, with `shape` and `dtype`
    more: str = ""  # names of further arrays, of any shape, begin so; empty for none
    more_bytes: int = 0  # the most bytes that these may have together
    only: bool = False  # reads no other arrays, and accepts them; they are in `more_bytes`

    def most_bytes(self) -> int:
        """The most bytes that an archive may have."""
        return self.more_bytes + sum(
            _OVERHEAD + 4 * len(name) + math.prod(array.shape) * dtype(array).itemsize
            for name, array in self.arrays.items()
        )


def dtype(array: Any) -> np.dtype:
    """NumPy's type of an array or a variable of TensorFlow or JAX."""
    return np.dtype(getattr(array.dtype, "as_numpy_dtype", array.dtype))


def read(file: IO[bytes], expected: Expected | None) -> dict[str, np.ndarray]:
    """Reads an uncompressed .npz file.

    Args:
      file: a regular file, opened for binary reading.
      expected: what it may hold; None to accept all numbers that the file really has.

    Returns:
      Arrays by name.

    Raises:
      ValueError: something is not as expected, or not finite.
      zipfile.BadZipFile, EOFError, OSError, RuntimeError: the archive is damaged.
    """
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise ValueError("it has two arrays of one name")
        if sum(info.file_size for info in members.values()) > size:
            raise ValueError("its arrays are larger than itself")
        if expected is not None:
            if expected.only:
                members = {name: info for name, info in members.items() if name in expected.arrays}
            _check_names(members, expected)
            _check_shapes(archive, members, expected)
        return {name: _read(archive, info, name) for name, info in members.items()}


def _check_names(found: Mapping[str, Any], expected: Expected) -> None:
    more = {name for name in found if expected.more and name.startswith(expected.more)}
    different = (set(found) - more) ^ set(expected.arrays)
    if different:
        raise ValueError(f"{ANOTHER_NETWORK}: {', '.join(sorted(different)[:3])} differ")


def _check_shapes(
    archive: zipfile.ZipFile, found: Mapping[str, zipfile.ZipInfo], expected: Expected
) -> None:
    """Compares headers only, so that one message names what differs."""
    problems = []
    for name in sorted(set(found) & set(expected.arrays)):
        wanted = expected.arrays[name]
        with _open(archive, found[name], name) as member:
            shape, _, kind = _header(member, found[name], name)
        # A type that NumPy does not know, such as bfloat16, is stored as bytes.
        same = kind == dtype(wanted) or kind == np.dtype(f"V{dtype(wanted).itemsize}")
        if shape != tuple(wanted.shape) or not same:
            problems.append(
                f"{name} has shape {shape} of {kind}, not {tuple(wanted.shape)} of {dtype(wanted)}"
            )
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(f"{ANOTHER_NETWORK}: {', '.join(problems[:3])}{more}")


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise ValueError(f"{name} is compressed or encrypted")
    return archive.open(info)


def _header(
    member: IO[bytes], info: zipfile.ZipInfo, name: str
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether the order is Fortran's, and type of an array whose bytes follow."""
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"{name} has a header of version {version}")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(member, max_header_size=_HEADER)
    # Before anything is allocated, and in Python's integers, which do not overflow.
    nbytes = math.prod(shape) * kind.itemsize
    if kind.hasobject or kind.kind not in _KINDS or any(length < 0 for length in shape):
        raise ValueError(f"{name} holds objects, for which allow_pickle is never set")
    if member.tell() + nbytes != info.file_size:
        raise ValueError(f"{name} has {info.file_size:,} bytes, not those of shape {shape}")
    return shape, fortran, kind


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    with _open(archive, info, name) as member:
        shape, fortran, kind = _header(member, info, name)
        nbytes = math.prod(shape) * kind.itemsize
        data = bytearray(member.read(nbytes))
        if len(data) != nbytes:
            raise EOFError(f"{name} is cut off")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    if kind.kind in "fc" and not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
    return array
