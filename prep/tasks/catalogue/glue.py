"""Tasks of the GLUE benchmark (Wang et al. 2019), in the wording of the T5 paper (appendix D)."""

import dataclasses

from prep.sources.declarations import FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row, RowError
from prep.tasks.task import Rewording, Task

_COLA_COLUMNS = ("source", "label", "author_mark", "sentence")
_HELD_OUT_NOTE = (
    "val.tsv is a part of the official training set held out for validation; the official"
    " validation set, dev.tsv, is the test split"
)


def _tfds(config: str, **splits: str) -> TfdsSource:
    return TfdsSource("glue", config, splits or {"train": "train", "validation": "validation"})


def _hub(config: str, **splits: str) -> HubSource:
    return HubSource(
        "nyu-mll/glue", config, splits or {"train": "train", "validation": "validation"}
    )


def _official(folder: str, rename: dict[str, str], **files: str) -> FileSource:
    """Declare the files as the benchmark's own download script leaves them."""
    names = files or {"train": "train.tsv", "validation": "dev.tsv"}
    specs = {split: FileSpec(name, "tsv", rename=rename) for split, name in names.items()}
    return FileSource((folder.lower(), folder), (Layout(specs),))


RTE = Task(
    name="rte",
    kind="classification",
    description="Does the first text entail the second (Recognizing Textual Entailment)?",
    fields=("sentence1", "sentence2", "label"),
    inputs="rte sentence1: {sentence1} sentence2: {sentence2}",
    targets="{label}",
    labels={"entailment": "entailment", "not_entailment": "not_entailment"},
    metrics=("accuracy",),
    tfds=_tfds("rte"),
    hf=_hub("rte"),
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
    tfds=_tfds("cola"),
    hf=_hub("cola"),
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
    tfds=_tfds("sst2"),
    hf=_hub("sst2"),
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
    encoder=Rewording(targets="{score}"),
    metrics=("pearson", "spearman"),
    tfds=dataclasses.replace(_tfds("stsb"), rename={"label": "score"}),
    hf=dataclasses.replace(_hub("stsb"), rename={"label": "score"}),
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

MRPC = Task(
    name="mrpc",
    kind="classification",
    description="Do two sentences mean the same (Microsoft Research Paraphrase Corpus)?",
    fields=("sentence1", "sentence2", "label"),
    inputs="mrpc sentence1: {sentence1} sentence2: {sentence2}",
    targets="{label}",
    labels={"0": "not_equivalent", "1": "equivalent"},
    metrics=("f1", "accuracy"),
    tfds=_tfds("mrpc"),
    hf=_hub("mrpc"),
    source=_official(
        "MRPC", {"Quality": "label", "#1 String": "sentence1", "#2 String": "sentence2"}
    ),
)

QQP = Task(
    name="qqp",
    kind="classification",
    description="Do two questions ask the same (Quora Question Pairs)?",
    fields=("question1", "question2", "label"),
    inputs="qqp question1: {question1} question2: {question2}",
    targets="{label}",
    labels={"0": "not_duplicate", "1": "duplicate"},
    metrics=("f1", "accuracy"),
    tfds=_tfds("qqp"),
    hf=_hub("qqp"),
    source=_official("QQP", {"is_duplicate": "label"}),
)

_MNLI_SPLITS = {
    "train": "train",
    "validation": "validation_matched",
    "test": "validation_mismatched",
}

MNLI = Task(
    name="mnli",
    kind="classification",
    description="Does the premise entail the hypothesis (Multi-Genre Natural Language Inference)?",
    fields=("hypothesis", "premise", "label"),
    inputs="mnli hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={
        "entailment": "entailment",
        "neutral": "neutral",
        "contradiction": "contradiction",
    },
    metrics=("accuracy",),
    # HyperFormer has no colon after "hypothesis" in this task, and in this task alone.
    hyperformer=Rewording(inputs="premise: {premise} hypothesis {hypothesis}"),
    tfds=_tfds("mnli", **_MNLI_SPLITS),
    hf=_hub("mnli", **_MNLI_SPLITS),
    source=_official(
        "MNLI",
        {"sentence1": "premise", "sentence2": "hypothesis", "gold_label": "label"},
        train="train.tsv",
        validation="dev_matched.tsv",
        test="dev_mismatched.tsv",
    ),
)

QNLI = Task(
    name="qnli",
    kind="classification",
    description="Does the sentence answer the question (Question Natural Language Inference)?",
    fields=("question", "sentence", "label"),
    inputs="qnli question: {question} sentence: {sentence}",
    targets="{label}",
    labels={"entailment": "entailment", "not_entailment": "not_entailment"},
    metrics=("accuracy",),
    tfds=_tfds("qnli"),
    hf=_hub("qnli"),
    source=_official("QNLI", {}),
)

WNLI = Task(
    name="wnli",
    kind="classification",
    description="Does the sentence follow once its pronoun is resolved (Winograd schemas)?",
    fields=("sentence1", "sentence2", "label"),
    inputs="wnli sentence1: {sentence1} sentence2: {sentence2}",
    targets="{label}",
    labels={"0": "not_entailment", "1": "entailment"},
    metrics=("accuracy",),
    tfds=_tfds("wnli"),
    hf=_hub("wnli"),
    source=_official("WNLI", {}),
)

TASKS = (RTE, COLA, SST2, STSB, MRPC, QQP, MNLI, QNLI, WNLI)
