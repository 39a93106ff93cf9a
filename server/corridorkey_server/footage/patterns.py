"""File names with a frame number in them: patterns, and which names belong together. Touches no file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from corridorkey_models.errors import InputError

_TOKEN = re.compile(r"%(?:0(?P<printf>\d+))?d|\$F(?P<houdini>\d*)|(?P<hashes>#+)|(?P<ats>@+)")
_NUMBERED = re.compile(r"(.*?)(\d+)", re.ASCII)
_NUMBERED_VIEW = re.compile(r"(.*[._-])(\d+)(\.[a-z]{1,12})", re.ASCII | re.IGNORECASE)
_WIDEST = 10
_NOT_A_FRAME = re.compile(r"((^|[._-])v|\d+x)$", re.IGNORECASE)


@dataclass(frozen=True)
class Pattern:
    """What a sequence's file names share: `prefix`, a number padded to `padding` digits or longer, `suffix`."""

    folder: Path
    prefix: str
    padding: int
    suffix: str

    def __str__(self) -> str:
        return f"{self.prefix}{'#' * self.padding}{self.suffix}"

    @property
    def name(self) -> str:
        """What the sequence is called: the prefix without its separator, or the folder's name; then the view."""
        base = self.prefix.rstrip("._- ") or self.folder.absolute().name or "frames"
        return base + (self.suffix.rpartition(".")[0] if "." in self.suffix else self.suffix)

    def path(self, frame: int) -> Path:
        """Return the file of a frame, whether it is there or not."""
        return self.folder / f"{self.prefix}{frame:0{self.padding}d}{self.suffix}"

    def frame(self, name: str) -> int | None:
        """Return the frame number of a file name, or None if the sequence does not have that name."""
        text = self._number(name)
        if text is None:
            return None
        number = int(text)
        # In printf the sign takes the place of a digit, in other programs it does not.
        spellings = (f"{number:0{self.padding}d}", f"-{-number:0{self.padding}d}")
        return number if text in spellings else None

    def is_misspelled(self, name: str) -> bool:
        """Whether a file name belongs to the sequence but for the padding of its number."""
        return self._number(name) is not None and self.frame(name) is None

    def _number(self, name: str) -> str | None:
        text = name[len(self.prefix) : len(name) - len(self.suffix)]
        is_number = self.prefix + text + self.suffix == name and re.fullmatch(r"-?\d+", text, re.ASCII)
        return text if is_number else None


def parse_pattern(path: Path) -> Pattern | None:
    """Return the pattern that a path spells (%04d, ####, @@@@, $F4), or None if it spells none.

    Raises:
        InputError: there are several frame numbers in the name, or one of no digits or more than 10.
    """
    tokens = list(_TOKEN.finditer(path.name))
    if len(tokens) > 1:
        raise InputError(f"{path} has several frame numbers; keep one.")
    if not tokens:
        return None
    token = tokens[0]
    digits = token["printf"] or token["houdini"] or str(len(token["hashes"] or token["ats"] or "#"))
    # Compared by length first: a number may have more digits than Python converts.
    if len(digits) > len(str(_WIDEST)) or not 1 <= int(digits) <= _WIDEST:
        raise InputError(
            f"{path} has a frame number of no usable width; write 1 to {_WIDEST} digits, for example %04d."
        )
    return Pattern(path.parent, path.name[: token.start()], int(digits), path.name[token.end() :])


def split_number(name: str) -> tuple[str, str, str] | None:
    """Return what is before the frame number of a file name, the number as written, and what is after.

    The frame stands directly before the extension or, after a separator, before a view such as ".left"; a version
    and a size are none.

    >>> split_number("plate_v002.1001.exr")
    ('plate_v002.', '1001', '.exr')
    >>> split_number("plate_v002.exr") is None
    True
    """
    stem, dot, extension = name.rpartition(".")
    match = _NUMBERED.fullmatch(stem) or _NUMBERED_VIEW.fullmatch(stem)
    if match is None or _NOT_A_FRAME.search(match[1]):
        return None
    before, number, after = match[1], match[2], stem[match.end(2) :]
    if before == "-" or before.endswith((".-", "_-")):
        before, number = before[:-1], f"-{number}"
    return before, number, f"{after}{dot}{extension}"


def pattern_of(folder: Path, numbered: Iterable[tuple[str, str, str]]) -> Pattern:
    """Return the pattern of names that `split_number` took apart and that differ in their number only.

    The padding is the least that all their numbers have; if none explains them all, that of the shortest.
    """
    parts = list(numbered)
    before, _, after = parts[0]
    # The sign counts as a digit in printf, and does not in other programs.
    paddings = sorted({len(spelled) for _, number, _ in parts for spelled in (number.lstrip("-"), number)})
    patterns = [Pattern(folder, before, padding, after) for padding in paddings]
    fits = (pattern for pattern in patterns if not any(pattern.is_misspelled("".join(part)) for part in parts))
    return next(fits, patterns[0])


def group(folder: Path, names: Iterable[str]) -> tuple[list[Pattern], list[str]]:
    """Return the sequences that file names make, and the names without a frame number."""
    families: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    singles = []
    for name in sorted(names):
        parts = split_number(name)
        if parts is None:
            singles.append(name)
        else:
            families.setdefault((parts[0], parts[2]), []).append(parts)
    return [pattern_of(folder, family) for family in families.values()], singles
