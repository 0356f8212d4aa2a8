"""Where a task's rows come from, as declarations: nothing here touches a file.

A task names one or several layouts in which its files are found in the wild; the first layout
whose files are all there is used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Mapping[str, Any]
FileFormat = Literal["csv", "tsv", "jsonl", "lines"]


@dataclass(frozen=True)
class FileSpec:
    """How one file is laid out.

    Attributes:
        name: Relative to the task's folder; `name` + ".gz" is found as well.
        format: "csv" honours quotes, "tsv" takes every quote literally, "jsonl" has one object per
            line, "lines" gives rows with the single field "line".
        columns: Names of the columns of a file without header; empty if its first row is one.
        encoding: A Python codec in which a line feed is the byte 10.
        delimiter: Between columns; empty for the format's own (comma or tab).
    """

    name: str
    format: FileFormat
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ""

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
    """Takes a split that a layout has no file for out of one that it has.

    Rows are dealt by a seeded permutation; equal rows always land on the same side.

    Attributes:
        split: The split to make.
        source: The split whose file is divided.
        share: Share of the rows that go to the new split.
        seed: Of the permutation.
    """

    split: str
    source: str
    share: float
    seed: int = 0


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
    """

    folders: tuple[str, ...]
    layouts: tuple[Layout, ...]


@dataclass(frozen=True)
class GeneratedSource:
    """Rows made by code, the same at every call.

    Attributes:
        generate: Returns the rows of every split.
        note: What a reader should know about these splits.
    """

    generate: Callable[[], Mapping[str, Sequence[Row]]]
    note: str = field(default="")
