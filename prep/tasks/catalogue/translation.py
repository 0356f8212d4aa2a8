"""Translation between the pairs of languages of HyperFormer's experiments (WMT, IWSLT)."""

import functools

from prep.sources.declarations import FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row
from prep.tasks.task import Rewording, Task

_LANGUAGES = {
    "cs": "Czech",
    "en": "English",
    "fi": "Finnish",
    "hi": "Hindi",
    "nl": "Dutch",
    "ro": "Romanian",
}
_SPLITS = {"train": "train", "validation": "validation", "test": "test"}


def flatten_translation(row: Row) -> Row:
    """Lifts the languages out of the field "translation", where most files have them.

    Args:
        row: A row with a field per language, here or in "translation".

    Returns:
        A row with a field per language.
    """
    return row.get("translation", row)


def translation_task(corpus: str, source: str, target: str, pair: str = "") -> Task:
    """Declare a translation task.

    Args:
        corpus: Such as "wmt16".
        source: Language code of the inputs.
        target: Language code of the targets.
        pair: What the corpus calls the pair; empty for "source-target".

    Returns:
        The task.
    """
    names = _LANGUAGES[source], _LANGUAGES[target]
    name = f"{corpus}_{source}_{target}"
    pair = pair or f"{source}-{target}"
    is_wmt = corpus.startswith("wmt")

    def files(suffix: str, form: FileSpec) -> dict[str, FileSpec]:
        return {
            split: FileSpec(f"{split}.{suffix}", form.format, columns=form.columns)
            for split in _SPLITS
        }

    return Task(
        name=name,
        kind="generation",
        description=f"Translate {names[0]} to {names[1]} ({corpus.upper()}).",
        fields=(source, target),
        row_functions=(flatten_translation,),
        inputs=f"translate {names[0]} to {names[1]}: {{{source}}}",
        targets=f"{{{target}}}",
        metrics=("bleu",),
        language=target,
        hyperformer=Rewording(inputs=f"{{{source}}}", name=f"Translate {names[0]} to {names[1]}"),
        tfds=TfdsSource(f"{corpus}_translate", pair, splits=_SPLITS) if is_wmt else None,
        hf=HubSource(f"wmt/{corpus}", pair, splits=_SPLITS)
        if is_wmt
        else HubSource(f"IWSLT/{corpus}", f"{corpus}-{pair}", splits=_SPLITS),
        source=FileSource(
            folders=(name, f"{corpus}/{pair}"),
            layouts=(
                Layout(files("jsonl", FileSpec("", "jsonl"))),
                Layout(files("parquet", FileSpec("", "parquet"))),
                Layout(files("tsv", FileSpec("", "tsv", columns=tuple(pair.split("-"))))),
            ),
        ),
    )


_wmt16 = functools.partial(translation_task, "wmt16")

TASKS = (
    _wmt16("en", "ro", pair="ro-en"),
    _wmt16("ro", "en", pair="ro-en"),
    _wmt16("en", "cs", pair="cs-en"),
    _wmt16("en", "fi", pair="fi-en"),
    # HyperFormer calls it hi-en and translates from English, as the direction is below.
    translation_task("wmt14", "en", "hi", pair="hi-en"),
    translation_task("wmt14", "hi", "en", pair="hi-en"),
    translation_task("iwslt2017", "ro", "nl"),
    translation_task("iwslt2017", "en", "nl"),
)
