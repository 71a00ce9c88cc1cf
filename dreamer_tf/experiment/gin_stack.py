"""Reads several gin files so that changes to one configuration can be combined.

Files in `ablations/` and `variants/` include their base and set what differs. Read one after the
other, the second would include the base again and undo the first. So every file is included once,
the bases of all changes come first, and two changes of one parameter are refused.
"""

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import gin

from dreamer_tf.errors import UserError

CHANGES = ("ablations", "variants")  # folders of the shipped files that change a configuration
_INCLUDE = re.compile(r"""include\s+['"]([^'"]+)['"]\s*(?:#.*)?$""")
_BINDING = re.compile(r"([\w./]+)\s*=\s*(.*?)\s*(?:#.*)?$")


def read(paths: Sequence[str], shipped: Path, skip_unknown: bool | Sequence[str] = False) -> None:
    """Reads gin files into gin's configuration.

    Args:
      paths: the files in the order in which they were named.
      shipped: directory of the shipped files.
      skip_unknown: as for `gin.parse_config`.

    Raises:
      UserError: as `texts`.
    """
    for text in texts(paths, shipped):
        gin.parse_config(text, skip_unknown=skip_unknown)


def texts(paths: Sequence[str], shipped: Path) -> Iterator[TextIO]:
    """What gin has to read for some files, one after the other.

    Args:
      paths: the files in the order in which they were named.
      shipped: directory of the shipped files.

    Yields:
      The text of each file, with its path as `name`. Includes that were followed are left out.

    Raises:
      UserError: two shipped changes set one parameter to different values, or change different
        configurations; a file is no text.
    """
    files = [Path(path).resolve() for path in paths]
    changes = [file for file in dict.fromkeys(files) if _is_change(file, shipped)]
    bases = {base for file in changes for base in _bases(file, shipped)}
    changes = [file for file in changes if file not in bases]
    _refuse_conflicts(changes, shipped)
    reader = _Reader(shipped)
    for file in changes:
        for base in _bases(file, shipped):
            yield from reader.include(base)
    for file in files:
        # A base of another file was read; to read it again would undo what that file changes.
        if file not in bases or not _is_change(file, shipped):
            yield from reader.read(file)


class _Reader:
    """Includes every file once."""

    def __init__(self, shipped: Path):
        self._shipped = shipped
        self._seen: set[Path] = set()

    def include(self, file: Path) -> Iterator[TextIO]:
        if file not in self._seen:
            yield from self.read(file)

    def read(self, file: Path) -> Iterator[TextIO]:
        """Reads a file, also for a second time; what it includes is read only if it is new."""
        self._seen.add(file)
        lines = _text(file).splitlines(keepends=True)
        leading = True  # nothing stands before the include, so it can be read here
        for number, line in enumerate(lines):
            target = _target(line, self._shipped)
            if target is not None and (leading or target in self._seen):
                yield from self.include(target)
                lines[number] = "\n"  # the line numbers in gin's errors stay right
            elif line.strip() and not line.lstrip().startswith("#"):
                leading = False
        text = io.StringIO("".join(lines))
        text.name = str(file)  # gin's errors name it
        yield text


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is no text in UTF-8 ({error}): save it as UTF-8.") from error


def _target(line: str, shipped: Path) -> Path | None:
    """The file that a line includes; None if it includes none, or one that only gin finds."""
    match = _INCLUDE.match(line)
    if not match:
        return None
    folders = sorted(path for path in shipped.iterdir() if path.is_dir())
    for folder in (Path(), shipped, *folders):
        if (folder / match[1]).is_file():
            return (folder / match[1]).resolve()
    return None


def _bases(file: Path, shipped: Path) -> list[Path]:
    """All files that a file includes, directly or not, the deepest first."""
    found: list[Path] = []
    for line in _text(file).splitlines():
        target = _target(line, shipped)
        if target is not None:
            found += [*_bases(target, shipped), target]
    return list(dict.fromkeys(found))


def _is_change(file: Path, shipped: Path) -> bool:
    return any(file.parent == (shipped / folder).resolve() for folder in CHANGES)


def changed(file: Path) -> dict[str, str]:
    """The parameters that a shipped change sets itself, with their values as text."""
    matches = map(_BINDING.match, _text(file).splitlines())
    return {match[1]: match[2] for match in matches if match}


def _configuration(file: Path, shipped: Path) -> Path | None:
    """The whole configuration that a shipped change belongs to, as in atari.gin."""
    whole = [base for base in _bases(file, shipped) if base.parent == shipped.resolve()]
    return whole[0] if whole else None


def _refuse_conflicts(changes: Sequence[Path], shipped: Path) -> None:
    for one, other in itertools.combinations(changes, 2):
        roots = [_configuration(file, shipped) for file in (one, other)]
        if roots[0] != roots[1]:
            parts = [
                f"{file.relative_to(shipped.resolve())} changes {root.name if root else 'no file'}"
                for file, root in zip((one, other), roots, strict=True)
            ]
            raise UserError(f"{' and '.join(parts)}: leave one of them out of --gin_files.")
        left, right = changed(one), changed(other)
        for name in sorted(left.keys() & right.keys()):
            if left[name] != right[name]:
                names = [str(file.relative_to(shipped.resolve())) for file in (one, other)]
                raise UserError(
                    f"{names[0]} sets {name} = {left[name]} and {names[1]} sets {name} = "
                    f"{right[name]}: leave one of them out of --gin_files."
                )
