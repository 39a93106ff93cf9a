"""Words of Nuke's scripts: bare, "quoted" or {braced}, with what each has to escape."""

from dataclasses import dataclass

_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
_BARE_ENDS = frozenset(" \t\r\n;")
_UNESCAPED = frozenset("[${}")


class ScriptError(Exception):
    """A script that Nuke would not read as meant, with the line where it goes wrong."""

    def __init__(self, line: int, sentence: str) -> None:
        """Say where."""
        super().__init__(f"line {line}: {sentence}")
        self.line, self.sentence = line, sentence


@dataclass(frozen=True)
class Word:
    """One word: as it is written, and what it says; a braced one says all between its braces."""

    raw: str
    text: str
    form: str  # "bare", "quoted", "braced" or "bracket"
    line: int


class Reader:
    """Reads words from a text, from `line` on."""

    def __init__(self, text: str, line: int = 1) -> None:
        """Begin at the start."""
        self.text, self.at, self.line = text, 0, line

    def peek(self) -> str:
        """Return the next character, "" at the end."""
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        """Return the next character and go on."""
        letter = self.peek()
        self.at += 1
        self.line += letter == "\n"
        return letter

    def skip(self, letters: str) -> None:
        """Go on as long as the next character is one of `letters`, or a line is continued."""
        while True:
            if self.text.startswith("\\\n", self.at):
                self.take()
            elif not self.peek() or self.peek() not in letters:
                return
            self.take()

    def skip_line(self) -> None:
        """Go on to the next line."""
        while self.peek() not in ("", "\n"):
            self.take()

    def word(self) -> Word:
        """Return the word that begins here."""
        start, line = self.at, self.line
        readers = {"{": ("braced", self._braced), '"': ("quoted", self._quoted), "[": ("bracket", self._bracket)}
        form, reader = readers.get(self.peek(), ("bare", self._bare))
        text = reader()
        if form != "bare" and self.peek() and self.peek() not in _BARE_ENDS:
            raise ScriptError(self.line, f"{self.peek()!r} follows a {form} word without a space between")
        return Word(self.text[start : self.at], text, form, line)

    def _braced(self) -> str:
        line, start, depth = self.line, self.at + 1, 0
        while True:
            letter = self.take()
            if not letter:
                raise ScriptError(line, "this brace is never closed")
            if letter == "\\":
                self.take()
            depth += (letter == "{") - (letter == "}")
            if depth == 0:
                return self.text[start : self.at - 1]

    def _bracket(self) -> str:
        line, start = self.line, self.at + 1
        while self.peek() != "]":
            if not self.take():
                raise ScriptError(line, "this bracket is never closed")
        self.take()
        return self.text[start : self.at - 1]

    def _quoted(self) -> str:
        line, letters = self.line, list[str]()
        self.take()
        while self.peek() != '"':
            letter = self.take()
            if not letter:
                raise ScriptError(line, "this quote is never closed")
            if letter in _UNESCAPED:
                raise ScriptError(self.line, f"{letter!r} in a quoted text is not escaped")
            letters.append(self._escape() if letter == "\\" else letter)
        self.take()
        return "".join(letters)

    def _escape(self) -> str:
        letter = self.take()
        if letter in _LETTERS:
            return _LETTERS[letter]
        if not letter or letter.isalnum():
            raise ScriptError(self.line, f"unknown escape '\\{letter}'")
        return "" if letter == "\n" else letter

    def _bare(self) -> str:
        letters = list[str]()
        while self.peek() and self.peek() not in _BARE_ENDS:
            letter = self.take()
            if letter in '{}"[' or (letter == "$" and letters):
                raise ScriptError(self.line, f"{letter!r} in a bare word is not escaped")
            letters.append(self._escape() if letter == "\\" else letter)
        return "".join(letters)


def split(text: str, line: int = 1) -> list[Word]:
    """Return the words of a list: line ends are as good as spaces."""
    reader, found = Reader(text, line), list[Word]()
    reader.skip(" \t\r\n")
    while reader.peek():
        if reader.peek() == ";":
            raise ScriptError(reader.line, "';' in a list is not quoted")
        found.append(reader.word())
        reader.skip(" \t\r\n")
    return found


def quoted(text: str) -> str:
    r"""Return a text as Nuke writes it.

    >>> print(quoted("[value x] {a}"))
    "\[value x] \{a\}"
    """
    if text and all(letter.isalnum() or letter in "_./-+%:#" for letter in text) and text[0] != "#":
        return text
    escapes = {"\\": "\\\\", '"': '\\"', "[": "\\[", "$": "\\$", "{": "\\{", "}": "\\}", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'
