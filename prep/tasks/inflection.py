"""Morphological inflection: a lemma and its features → the inflected form (SIGMORPHON 2023)."""

from prep.sources import FileSource, FileSpec, Layout
from prep.task import Task

_COLUMNS = ("lemma", "tags", "form")


def inflection_task(language: str) -> Task:
    """Declares the inflection task of one language of the shared task.

    Args:
        language: Its ISO 639-3 code, as the files are named.

    Returns:
        The task.
    """

    def part(suffix: str) -> FileSpec:
        return FileSpec(f"{language}.{suffix}", "tsv", columns=_COLUMNS)

    return Task(
        name=f"inflection_{language}",
        kind="generation",
        description=f"Inflect a word ({language}) as the tags of UniMorph say.",
        fields=_COLUMNS,
        inputs=f"inflection_{language} tags: {{tags}} lemma: {{lemma}}",
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
