"""Encodings of text files: which there are, which go by way of UTF-8, and a guess at the right one.

Rows of lines are found by their line feeds, the byte 10. An encoding that has others, as UTF-16
does, is written anew as UTF-8 while the file is read.
"""

import codecs
import io
import re
from typing import IO

from prep.errors import UsageError, nearest

_COMMON = ("utf-8", "utf-16", "utf-32", "latin-1", "cp1252", "cp1251", "koi8-r", "shift_jis", "gbk")
_OF_NO_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
_MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
_MARKS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # shorter, so later
_SAMPLE_BYTES = 1 << 16
_MANY_NULS = 0.2  # of the bytes: of a text in UTF-16 it is up to a half
_WORD = re.compile(rb"[A-Za-z\x80-\xff]{2,}")


def check_encoding(name: str) -> None:
    """Refuse an encoding that Python does not know, or that is none of texts.

    Args:
        name: As a person wrote it.

    Raises:
        UsageError: It names the nearest one.
    """
    try:
        found = codecs.lookup(name)
        is_text = found._is_text_encoding and found.name.replace("-", "_") not in _OF_NO_FILES
    except (LookupError, ValueError):  # a NUL in the name, say
        is_text = False
    if not is_text:
        raise UsageError(f"there is no encoding {name!r}; {nearest(name, _COMMON)}")


def has_wide_line_feeds(name: str) -> bool:
    """Tell whether a line feed is another byte than 10 in an encoding."""
    return "\n".encode(name) != b"\n"


def as_utf8(file: IO[bytes], name: str) -> IO[bytes]:
    """Read a file of another encoding as if it were UTF-8.

    Args:
        file: Open for reading, at its start.
        name: Its encoding.

    Returns:
        A binary stream, which raises UnicodeDecodeError where the file is not in that encoding.
    """
    text = io.TextIOWrapper(file, name, newline="")
    return io.BufferedReader(_Recoded(text))


class _Recoded(io.RawIOBase):
    def __init__(self, text: io.TextIOWrapper):
        self._text = text
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = self._text.read(len(buffer)).encode("utf-8", "surrogatepass")
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._text.close()
        super().close()


def find_wide_encoding(sample: bytes) -> str:
    """Recognise UTF-16 and UTF-32 by their byte order marks, or by their NULs.

    Args:
        sample: The first bytes of a file.

    Returns:
        Its name, empty for any other encoding.
    """
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    sample = sample[:_SAMPLE_BYTES]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if even + odd <= _MANY_NULS * len(sample):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def guess_encoding(content: bytes) -> str:
    """Guess in which encoding bytes are that are not UTF-8.

    Args:
        content: Some of them.

    Returns:
        One that can read them, and in which they are likely to be words.
    """
    words = _WORD.findall(content)
    foreign = sum(all(byte >= 0xC0 for byte in word) for word in words)
    latin = sum(any(byte >= 0xC0 for byte in word) for word in words) - foreign
    if foreign > latin:
        return "cp1251"
    is_windows = any(0x80 <= byte < 0xA0 for byte in content)
    return "cp1252" if is_windows and _decodes(content, "cp1252") else "latin-1"


def _decodes(content: bytes, name: str) -> bool:
    try:
        content.decode(name)
    except UnicodeDecodeError:
        return False
    return True
