"""Morphological inflection: a lemma and its features → the inflected form (SIGMORPHON 2023)."""

import re

from prep.errors import UsageError
from prep.sources.declarations import FileSource, FileSpec, Layout
from prep.tasks.task import Task

PREFIX = "inflection_"
_COLUMNS = ("lemma", "tags", "form")
_LANGUAGE = re.compile("[a-z]{3}")  # ISO 639-3


def inflection_task(language: str) -> Task:
    """Declare the inflection task of one language of the shared task.

    Args:
        language: Its ISO 639-3 code, as the files are named.

    Returns:
        The task.

    Raises:
        UsageError: If it is no such code.
    """
    if not _LANGUAGE.fullmatch(language):
        raise UsageError(
            f"unknown task {PREFIX + language!r}: expected {PREFIX} and a language code of three"
            " letters, such as inflection_deu"
        )

    def part(suffix: str) -> FileSpec:
        return FileSpec(f"{language}.{suffix}", "tsv", columns=_COLUMNS)

    return Task(
        name=f"{PREFIX}{language}",
        kind="generation",
        description=f"Inflect a word ({language}) as the tags of UniMorph say.",
        fields=_COLUMNS,
        inputs=f"{PREFIX}{language} tags: {{tags}} lemma: {{lemma}}",
        targets="{form}",
        metrics=("exact_match",),
        source=FileSource(
            folders=("sigmorphon2023", "part1/data"),
            layouts=(
                Layout({"train": part("trn"), "validation": part("dev"), "test": part("tst")}),
            ),
        ),
    )


TASKS = (inflection_task("eng"), inflection_task("deu"))
