"""Where a task's rows come from, as declarations: nothing here touches a file.

A task names one or several layouts in which its files are found in the wild; the first layout
whose files are all there is used.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal, get_args

from prep.errors import UsageError
from prep.sources.encodings import check_encoding
from prep.sources.row import Row

RowFunction = Callable[[Row], Row | Iterable[Row] | None]
FileFormat = Literal[
    "csv",
    "tsv",
    "jsonl",
    "lines",
    "paragraphs",
    "parallel",
    "json",
    "parquet",
    "excel",
    "folder",
]
FILE_FORMATS: tuple[str, ...] = get_args(FileFormat)
SOURCES = ("files", "tfds", "hf")
COMPRESSIONS = (".gz", ".zst")  # a file is found with these behind its name as well
SUFFIX_FORMATS: Mapping[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".json": "json",
    ".txt": "lines",
    ".parquet": "parquet",
    ".xlsx": "excel",
}

# Keys that only the readers of these formats look at.
_KEYS_OF_SOME: Mapping[str, tuple[FileFormat, ...]] = {
    "columns": ("csv", "tsv", "excel", "parallel"),
    "delimiter": ("csv", "tsv"),
    "escape": ("csv",),
    "records": ("json",),
    "sheet": ("excel",),
}
_FORMATS_THAT_KNOW_THEIRS = ("parquet", "excel")
_NAME = re.compile(r"\w[\w-]*")
_MEANT = {"training": "train", "val": "validation", "valid": "validation", "testing": "test"}
_USUAL_SPLITS = ("train", "validation", "test")


def suffix_of(name: str) -> str:
    """Take the suffix of a file's name, in lower case, without that of a compression behind it."""
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return PurePath(name).suffix.lower()


def check_name(name: str, what: str) -> None:
    """Refuse a name that cannot be part of a file's name.

    Args:
        name: As it was given.
        what: What it is the name of.

    Raises:
        UsageError: If there is more in it than letters, digits, "_" and "-".
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{what} {name!r}: expected letters, digits, '_' and '-' only")


def is_pattern(name: str) -> bool:
    """Tell whether a file's name stands for several, as "part-*.csv" does."""
    return any(mark in name for mark in "*?[")


def check_split(name: str) -> None:
    """Refuse a split name that leads out of the dataset, or that nobody would look for.

    Args:
        name: As it was given.

    Raises:
        UsageError: It tells what was meant, for "Train" and "valid".
    """
    check_name(name, "split")
    folded = name.casefold()
    meant = _MEANT.get(folded, folded)
    if meant != name and meant in _USUAL_SPLITS:
        raise UsageError(f"split {name!r}: trainer and evaluation know it as {meant!r}")


@dataclass(frozen=True)
class FileSpec:
    """How one file is laid out.

    Attributes:
        name: Relative to the task's folder; also with ".gz" or ".zst" behind. With "*", "?" or
            "[…]" in it, all files whose names match, in the order of their names.
        format: "csv" honours quotes, "tsv" takes every quote literally, "jsonl" has one object per
            line, "lines" gives rows with the single field "line", "paragraphs" rows with the field
            "text" of what lies between blank lines, "parallel" takes the lines of several files
            together, "json" is one document (read whole), "parquet" a table, "excel" a sheet of a
            workbook (.xlsx), "folder" a folder of .txt files, which are rows with the fields
            "text", "file" and "folder" (their names).
        columns: Names of the columns of a file without header; empty if its first row is one.
        encoding: A Python codec.
        delimiter: Between columns; empty for the format's own (comma or tab).
        escape: In CSV, the character that takes its meaning from the next one; empty: there is
            none, and a quote inside a quoted field is written twice.
        rename: Names of columns in the file → names of fields in the row.
        records: The way to the rows of a "json" document, one key per level of nesting, each
            naming a list; a row has the other fields of every level it lies in.
        parts: Further files of the same kind, read after the first.
        beside: Of "parallel", the other files; `columns` names a field for the lines of each.
        sheet: Of "excel", the sheet; empty for the first.
    """

    name: str
    format: FileFormat
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    records: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    escape: str = ""
    beside: tuple[str, ...] = ()
    sheet: str = ""

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        for name in ("delimiter", "escape"):
            given = getattr(self, name)
            if self.format == "csv" and (len(given) > 1 or given in ('"', "\r", "\n")):
                raise UsageError(f"{name} {given!r}: in CSV it is one character, and no quote")
        is_parallel = self.format == "parallel"
        if is_parallel != bool(self.beside) or (
            is_parallel and (len(self.columns) != len(self.beside) + 1 or self.parts)
        ):
            raise UsageError(f"{self.name}: parallel files have a column each, and no parts")
        if is_parallel and any(map(is_pattern, self.names)):
            raise UsageError(f"{self.name}: parallel files are named one by one")
        self._refuse_idle_keys()
        if self.has_columns and not self.separator.strip("\r\n"):
            raise UsageError(f"delimiter {self.delimiter!r}: lines end there")

    def _refuse_idle_keys(self) -> None:
        """Refuse what readers of this format do not look at."""
        for key, formats in _KEYS_OF_SOME.items():
            if getattr(self, key) and self.format not in formats:
                of = " or ".join(formats)
                raise UsageError(f"{key} is for files of format {of}, not {self.format}")
        if self.encoding != "utf-8" and self.format in _FORMATS_THAT_KNOW_THEIRS:
            raise UsageError(f"encoding is for texts: a file of format {self.format} knows its own")

    @property
    def names(self) -> tuple[str, ...]:
        """Every file: the first, those after it, and those beside it."""
        return (self.name, *self.parts, *self.beside)

    @property
    def has_columns(self) -> bool:
        """Whether rows are columns, rather than objects or bare lines."""
        return self.format in ("csv", "tsv")

    @property
    def separator(self) -> str:
        """The character between columns."""
        return self.delimiter or {"csv": ",", "tsv": "\t"}[self.format]


@dataclass(frozen=True)
class Carve:
    """A split that a layout has no file for, to be taken out of one that it has.

    Rows are dealt by a seeded permutation; equal rows always land on the same side.

    Attributes:
        split: The split to make.
        source: The split whose file is divided.
        share: Share of the rows that go to the new split, unless `rows` says how many.
        seed: Of the permutation.
        rows: How many rows go to the new split.
    """

    split: str
    source: str
    share: float = 0.0
    seed: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        check_split(self.split)
        if self.split == self.source:
            raise UsageError(f"the split {self.split!r} cannot be carved out of itself")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must be >= 0")
        if not self.rows and not 0 < self.share < 1:
            raise UsageError(f"share is {self.share:g}; it must lie between 0 and 1, or say `rows`")


@dataclass(frozen=True)
class Layout:
    """One way in which a task's files are found.

    Attributes:
        files: By split.
        carve: How to make a split that has no file of its own.
        note: What a reader should know about these splits.
    """

    files: Mapping[str, FileSpec]
    carve: Carve | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for split in self.files:
            check_split(split)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits this layout gives."""
        return (*([self.carve.split] if self.carve else []), *self.files)


@dataclass(frozen=True)
class FileSource:
    """Rows from files below the data folder.

    Attributes:
        folders: Names the task's folder goes by, relative to the data folder.
        layouts: In order of preference.
        row_functions: Applied to the rows of these files before the task's own.
    """

    folders: tuple[str, ...]
    layouts: tuple[Layout, ...]
    row_functions: tuple[RowFunction, ...] = ()


@dataclass(frozen=True)
class _NamedSource:
    """Rows from a library that knows the dataset by name.

    Attributes:
        name: As the library knows it.
        config: Its configuration; empty if it has none.
        splits: Our names of splits → the library's.
        rename: Names of the library's fields → names of fields in the row.
        labels: What the library writes → label word; empty if it writes what the files write, or
            the number of the label word.
        row_functions: Applied to its rows before the task's own.
    """

    name: str
    config: str = ""
    splits: Mapping[str, str] = field(
        default_factory=lambda: {"train": "train", "validation": "validation"}
    )
    rename: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    row_functions: tuple[RowFunction, ...] = ()

    def __post_init__(self) -> None:
        for split in self.splits:
            check_split(split)

    @property
    def full_name(self) -> str:
        """Name and configuration."""
        return f"{self.name}/{self.config}" if self.config else self.name


@dataclass(frozen=True)
class TfdsSource(_NamedSource):
    """Rows from TensorFlow Datasets.

    Attributes:
        folder: Where the dataset was written, with the version in the path, relative to the data
            folder; it is read without the code that made it. Empty: by name.
    """

    folder: str = ""


@dataclass(frozen=True)
class HubSource(_NamedSource):
    """Rows from Hugging Face `datasets`; no code of the dataset's is ever run.

    Attributes:
        revision: Commit, tag or branch; empty for the newest.
    """

    revision: str = ""


@dataclass(frozen=True)
class GeneratedSource:
    """Rows made by code, the same at every call.

    Attributes:
        generate: Returns the rows of every split; where they are no sequence but, say, a
            generator, it is called again for every pass over them.
        note: What a reader should know about these splits.
    """

    generate: Callable[[], Mapping[str, Iterable[Row]]]
    note: str = field(default="")


Source = FileSource | GeneratedSource | TfdsSource | HubSource
