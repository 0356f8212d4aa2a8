"""Pairs of sentences to compare, beyond GLUE: SNLI, SciTail, SICK and PAWS."""

from prep.sources.declarations import FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row
from prep.tasks.task import Rewording, Task

_NO_GOLD_LABEL = ("-", "-1")
_ALL_SPLITS = {"train": "train", "validation": "validation", "test": "test"}
_INFERENCE_LABELS = {
    "entailment": "entailment",
    "neutral": "neutral",
    "contradiction": "contradiction",
}


def keep_labelled(row: Row) -> Row | None:
    """Leaves rows out on whose label the annotators of SNLI did not agree.

    Args:
        row: A row with the field "label".

    Returns:
        The row, or None.
    """
    return None if str(row["label"]) in _NO_GOLD_LABEL else row


def _three_files(pattern: str, names: tuple[str, str, str], spec: FileSpec) -> Layout:
    """Declare files of one form for train, validation and test."""
    files = {}
    for split, name in zip(_ALL_SPLITS, names, strict=True):
        files[split] = FileSpec(
            pattern.format(name), spec.format, columns=spec.columns, rename=spec.rename
        )
    return Layout(files)


_SNLI_NAMES = {"sentence1": "premise", "sentence2": "hypothesis", "gold_label": "label"}

SNLI = Task(
    name="snli",
    kind="classification",
    description="Does the premise entail the hypothesis (Stanford Natural Language Inference)?",
    fields=("hypothesis", "premise", "label"),
    columns=("premise", "hypothesis", "label"),
    row_functions=(keep_labelled,),
    inputs="snli hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels=_INFERENCE_LABELS,
    metrics=("accuracy",),
    hyperformer=Rewording(inputs="premise: {premise} hypothesis: {hypothesis}"),
    tfds=TfdsSource("snli", splits=_ALL_SPLITS),
    hf=HubSource("stanfordnlp/snli", splits=_ALL_SPLITS),
    source=FileSource(
        folders=("snli", "snli_1.0"),
        layouts=(
            _three_files(
                "snli_1.0_{}.jsonl",
                ("train", "dev", "test"),
                FileSpec("", "jsonl", rename=_SNLI_NAMES),
            ),
            _three_files(
                "snli_1.0_{}.txt", ("train", "dev", "test"), FileSpec("", "tsv", rename=_SNLI_NAMES)
            ),
        ),
    ),
)

SCITAIL = Task(
    name="scitail",
    kind="classification",
    description="Does the first sentence entail the second (science questions, SciTail)?",
    fields=("sentence1", "sentence2", "label"),
    inputs="scitail sentence1: {sentence1} sentence2: {sentence2}",
    targets="{label}",
    labels={"entailment": "entailment", "neutral": "neutral", "entails": "entailment"},
    metrics=("accuracy",),
    tfds=TfdsSource(
        "sci_tail",
        splits=_ALL_SPLITS,
        rename={"premise": "sentence1", "hypothesis": "sentence2"},
    ),
    hf=HubSource(
        "allenai/scitail", "snli_format", splits=_ALL_SPLITS, rename={"gold_label": "label"}
    ),
    source=FileSource(
        folders=("scitail", "SciTailV1.1/snli_format", "SciTailV1.1/tsv_format"),
        layouts=(
            _three_files(
                "scitail_1.0_{}.txt",
                ("train", "dev", "test"),
                FileSpec("", "jsonl", rename={"gold_label": "label"}),
            ),
            _three_files(
                "scitail_1.0_{}.tsv",
                ("train", "dev", "test"),
                FileSpec("", "tsv", columns=("sentence1", "sentence2", "label")),
            ),
        ),
    ),
)

SICK = Task(
    name="sick",
    kind="classification",
    description="Does the premise entail the hypothesis (everyday scenes, SICK)?",
    fields=("hypothesis", "premise", "label"),
    inputs="sick hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={word.upper(): word for word in _INFERENCE_LABELS},
    metrics=("accuracy",),
    hyperformer=Rewording(inputs="premise: {premise} hypothesis: {hypothesis}"),
    source=FileSource(
        folders=("sick", "SICK"),
        layouts=(
            _three_files(
                "SICK_{}.txt",
                ("train", "trial", "test_annotated"),
                FileSpec(
                    "",
                    "tsv",
                    rename={
                        "sentence_A": "premise",
                        "sentence_B": "hypothesis",
                        "entailment_judgment": "label",
                    },
                ),
            ),
            _three_files("{}_clean.csv", ("train", "validation", "test"), FileSpec("", "csv")),
        ),
    ),
)

PAWS = Task(
    name="paws",
    kind="classification",
    description="Do two sentences of much the same words mean the same (PAWS-Wiki)?",
    fields=("sentence1", "sentence2", "label"),
    inputs="paws sentence1: {sentence1} sentence2: {sentence2}",
    targets="{label}",
    labels={"0": "not_equivalent", "1": "equivalent"},
    metrics=("accuracy", "f1"),
    tfds=TfdsSource("paws_wiki", "labeled_final_raw", splits=_ALL_SPLITS),
    hf=HubSource("google-research-datasets/paws", "labeled_final", splits=_ALL_SPLITS),
    source=FileSource(
        folders=("paws", "final"),
        layouts=(_three_files("{}.tsv", ("train", "dev", "test"), FileSpec("", "tsv")),),
    ),
)

TASKS = (SNLI, SCITAIL, SICK, PAWS)
