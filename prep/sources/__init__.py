"""Where a task's rows come from: what a task may declare, and readers of every format."""

from prep.sources.declarations import (
    SOURCES,
    Carve,
    FileFormat,
    FileSource,
    FileSpec,
    GeneratedSource,
    HubSource,
    Layout,
    RowFunction,
    Source,
    TfdsSource,
)
from prep.sources.row import Row, RowError

__all__ = [
    "SOURCES",
    "Carve",
    "FileFormat",
    "FileSource",
    "FileSpec",
    "GeneratedSource",
    "HubSource",
    "Layout",
    "Row",
    "RowError",
    "RowFunction",
    "Source",
    "TfdsSource",
]
