"""Tasks of the GLUE benchmark (Wang et al. 2019), in the wording of the T5 paper (appendix D)."""

from prep.sources import FileSource, FileSpec, Layout, Row
from prep.task import RowError, Task

_COLA_COLUMNS = ("source", "label", "author_mark", "sentence")
_HELD_OUT_NOTE = (
    "val.tsv is a part of the official training set held out for validation; the official"
    " validation set, dev.tsv, is the test split"
)

RTE = Task(
    name="rte",
    kind="classification",
    description="Does the first text entail the second (Recognizing Textual Entailment)?",
    fields=("sentence1", "sentence2", "label"),
    inputs="rte sentence1: {sentence1} sentence2: {sentence2}",
    targets="{label}",
    labels={"entailment": "entailment", "not_entailment": "not_entailment"},
    metrics=("accuracy",),
    source=FileSource(
        folders=("rte", "RTE"),
        layouts=(
            Layout(
                {
                    "train": FileSpec("train.tsv", "tsv"),
                    "validation": FileSpec(
                        "val.tsv", "tsv", columns=("index", "sentence1", "sentence2", "label")
                    ),
                    "test": FileSpec("dev.tsv", "tsv"),
                },
                note=_HELD_OUT_NOTE,
            ),
            Layout(
                {
                    "train": FileSpec("train.tsv", "tsv"),
                    "validation": FileSpec("dev.tsv", "tsv"),
                }
            ),
        ),
    ),
)

COLA = Task(
    name="cola",
    kind="classification",
    description="Is the sentence grammatical (Corpus of Linguistic Acceptability)?",
    fields=("sentence", "label"),
    inputs="cola sentence: {sentence}",
    targets="{label}",
    labels={"0": "unacceptable", "1": "acceptable"},
    metrics=("matthews", "accuracy"),
    source=FileSource(
        folders=("cola", "CoLA"),
        layouts=(
            Layout(
                {
                    "train": FileSpec("train.tsv", "tsv", columns=_COLA_COLUMNS),
                    "validation": FileSpec("val.tsv", "tsv", columns=_COLA_COLUMNS),
                    "test": FileSpec("dev.tsv", "tsv", columns=_COLA_COLUMNS),
                },
                note=_HELD_OUT_NOTE,
            ),
            Layout(
                {
                    "train": FileSpec("train.tsv", "tsv", columns=_COLA_COLUMNS),
                    "validation": FileSpec("dev.tsv", "tsv", columns=_COLA_COLUMNS),
                }
            ),
        ),
    ),
)

SST2 = Task(
    name="sst2",
    kind="classification",
    description="Is the film review positive (Stanford Sentiment Treebank)?",
    fields=("sentence", "label"),
    inputs="sst2 sentence: {sentence}",
    targets="{label}",
    labels={"0": "negative", "1": "positive"},
    metrics=("accuracy",),
    source=FileSource(
        folders=("sst2", "SST-2"),
        layouts=(
            Layout(
                {
                    "train": FileSpec("train.tsv", "tsv"),
                    "validation": FileSpec("dev.tsv", "tsv"),
                }
            ),
            Layout(
                {
                    "train": FileSpec("dev.tsv", "tsv"),
                    "validation": FileSpec("test.tsv", "tsv"),
                },
                note=(
                    "there is no train.tsv: dev.tsv is taken as a part of the training set, and"
                    " test.tsv, which has labels, as the official validation set"
                ),
            ),
        ),
    ),
)


def round_similarity(row: Row) -> str:
    """Rounds a similarity to the nearest 0.2, as T5 does, which makes 26 classes of it.

    Args:
        row: A row whose field "score" is a number from 0 to 5.

    Returns:
        Such as "3.8".

    Raises:
        RowError: If the score is out of range.
    """
    score = float(row["score"])
    if not 0 <= score <= 5:
        raise RowError("score out of range", f"{row['score']} is not between 0 and 5")
    return f"{round(score * 5) / 5:.1f}"


_STSB_COLUMNS = ("sentence1", "sentence2", "score")

STSB = Task(
    name="stsb",
    kind="regression",
    description="How similar are two sentences, from 0 to 5 (Semantic Textual Similarity)?",
    fields=("sentence1", "sentence2", "score"),
    inputs="stsb sentence1: {sentence1} sentence2: {sentence2}",
    targets=round_similarity,
    metrics=("pearson", "spearman"),
    source=FileSource(
        folders=("stsb", "STS-B"),
        layouts=(
            Layout(
                {
                    "train": FileSpec("stsb-en-train.csv", "csv", columns=_STSB_COLUMNS),
                    "validation": FileSpec("stsb-en-dev.csv", "csv", columns=_STSB_COLUMNS),
                    "test": FileSpec("stsb-en-test.csv", "csv", columns=_STSB_COLUMNS),
                }
            ),
            Layout(
                {
                    "train": FileSpec("train.tsv", "tsv"),
                    "validation": FileSpec("dev.tsv", "tsv"),
                }
            ),
        ),
    ),
)

TASKS = (RTE, COLA, SST2, STSB)
