"""Tasks of the SuperGLUE benchmark (Wang et al. 2019), in the wording of T5 (appendix D)."""

from collections.abc import Sequence

from prep.sources.declarations import FileSource, Layout
from prep.sources.row import Row, RowError
from prep.tasks.catalogue.superglue_sources import (
    OFFICIAL,
    VALIDATION_ALONE,
    in_tfds,
    jsonl_splits,
    on_hub,
)
from prep.tasks.task import Rewording, Task

_PUNCTUATION = ".,;:!?\"'"

BOOLQ = Task(
    name="boolq",
    kind="classification",
    description="Is the answer to the question, given the passage, yes?",
    fields=("passage", "question", "label"),
    inputs="boolq passage: {passage} question: {question}",
    targets="{label}",
    labels={"False": "False", "True": "True"},
    metrics=("accuracy",),
    document="{passage}",
    hyperformer=Rewording(inputs="question: {question} passage: {passage}", name="superglue-boolq"),
    tfds=in_tfds("boolq"),
    hf=on_hub("boolq"),
    source=FileSource(
        folders=("boolq", "BoolQ"),
        layouts=(
            Layout(
                jsonl_splits(train="train.jsonl", validation="dev32.jsonl", test="val.jsonl"),
                note=(
                    "FewGLUE: 32 rows to train on and 32 (dev32.jsonl) to validate with; the"
                    " official validation set, val.jsonl, is the test split"
                ),
            ),
            OFFICIAL,
        ),
    ),
)

CB = Task(
    name="cb",
    kind="classification",
    description="Does the speaker's text entail the clause (CommitmentBank)?",
    fields=("hypothesis", "premise", "label"),
    inputs="cb hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={
        "entailment": "entailment",
        "contradiction": "contradiction",
        "neutral": "neutral",
    },
    metrics=("f1", "accuracy"),
    hyperformer=Rewording(
        inputs="premise: {premise} hypothesis: {hypothesis}", name="superglue-cb"
    ),
    tfds=in_tfds("cb"),
    hf=on_hub("cb"),
    source=FileSource(folders=("cb", "CB"), layouts=(OFFICIAL,)),
)

COPA = Task(
    name="copa",
    kind="multiple_choice",
    description="Which of two alternatives is the more plausible cause or effect?",
    fields=("choice1", "choice2", "premise", "question", "label"),
    inputs="copa choice1: {choice1} choice2: {choice2} premise: {premise} question: {question}",
    encoder=Rewording(
        choices=tuple(
            f"copa choice: {{{field}}} premise: {{premise}} question: {{question}}"
            for field in ("choice1", "choice2")
        )
    ),
    targets="{label}",
    labels={"0": "choice1", "1": "choice2"},
    metrics=("accuracy",),
    tfds=in_tfds("copa"),
    hf=on_hub("copa"),
    source=FileSource(folders=("copa", "COPA"), layouts=(OFFICIAL,)),
)

SUPERGLUE_RTE = Task(
    name="superglue_rte",
    kind="classification",
    description="Does the premise entail the hypothesis (RTE as SuperGLUE distributes it)?",
    fields=("hypothesis", "premise", "label"),
    inputs="rte hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={"entailment": "entailment", "not_entailment": "not_entailment"},
    metrics=("accuracy",),
    hyperformer=Rewording(
        inputs="premise: {premise} hypothesis: {hypothesis}", name="superglue-rte"
    ),
    tfds=in_tfds("rte"),
    hf=on_hub("rte"),
    source=FileSource(folders=("superglue_rte", "RTE"), layouts=(OFFICIAL,)),
)

WIC = Task(
    name="wic",
    kind="classification",
    description="Does the word mean the same in both sentences (Words in Context)?",
    fields=("sentence1", "sentence2", "word", "label"),
    inputs="wic sentence1: {sentence1} sentence2: {sentence2} word: {word}",
    targets="{label}",
    labels={"False": "False", "True": "True"},
    metrics=("accuracy",),
    tfds=in_tfds("wic"),
    hf=on_hub("wic"),
    source=FileSource(folders=("wic", "WiC"), layouts=(OFFICIAL, VALIDATION_ALONE)),
)


def flatten_spans(row: Row) -> Row:
    """Lifts the two spans of a WSC row out of its field "target", where the files have them.

    Args:
        row: A row as the files or as TFDS have it.

    Returns:
        A row with the fields span1_text, span1_index, span2_text, span2_index.
    """
    return {**row, **row["target"]} if "target" in row else row


def keep_true(row: Row) -> Row | None:
    """Leaves rows out whose noun is not what the pronoun means.

    Args:
        row: A row with a field "label".

    Returns:
        The row, or None.
    """
    return row if str(row["label"]) in ("True", "1") else None


def mark_spans(row: Row) -> str:
    """Words a Winograd schema as T5's `wsc`: the noun between stars, the pronoun between hashes.

    Args:
        row: A flat row.

    Returns:
        The text for the encoder.

    Raises:
        RowError: If a span is not where the row says.
    """
    words = row["text"].split()
    marked = {}
    for number, mark in (("1", "*"), ("2", "#")):
        first, last = _find_span(words, row[f"span{number}_text"], row[f"span{number}_index"])
        marked[first] = f"{mark} {words[first]}"
        end = marked.get(last, words[last])
        core = end.removesuffix(_trailing(end, row[f"span{number}_text"]))
        marked[last] = f"{core} {mark}{end.removeprefix(core)}"
    return "wsc text: " + " ".join(marked.get(i, word) for i, word in enumerate(words))


def mark_pronoun(row: Row) -> str:
    """Words a Winograd schema as T5 was trained on it: the pronoun between stars.

    Args:
        row: A flat row.

    Returns:
        The text for the encoder; the answer is the noun.

    Raises:
        RowError: If the pronoun is not where the row says.
    """
    words = row["text"].split()
    first, last = _find_span(words, row["span2_text"], row["span2_index"])
    found = " ".join(words[first : last + 1])
    trailing = _trailing(found, row["span2_text"])
    words[first : last + 1] = [f"*{found.removesuffix(trailing)}*{trailing}"]
    return "wsc: " + " ".join(words)


def _find_span(words: Sequence[str], span: str, index: int) -> tuple[int, int]:
    """Find a span at or beside the word it is said to begin with: the files are off by a few."""
    wanted = _bare(span.split())
    nearest_first = sorted(range(len(words)), key=lambda place: abs(place - index))
    for place in nearest_first:
        if _bare(words[place : place + len(wanted)]) == wanted:
            return place, place + len(wanted) - 1
    raise RowError("span not in text", repr(span))


def _trailing(found: str, span: str) -> str:
    """Find the punctuation that follows a span in its last word."""
    return "" if span.endswith(tuple(_PUNCTUATION)) else found[len(found.rstrip(_PUNCTUATION)) :]


def _bare(words: Sequence[str]) -> list[str]:
    return [word.strip(_PUNCTUATION).lower() for word in words]


_WSC_FIELDS = ("text", "span1_text", "span1_index", "span2_text", "span2_index", "label")
_WSC_SOURCE = FileSource(folders=("wsc", "WSC"), layouts=(OFFICIAL, VALIDATION_ALONE))

WSC = Task(
    name="wsc",
    kind="classification",
    description="Does the pronoun mean the noun (Winograd Schema Challenge)?",
    fields=_WSC_FIELDS,
    columns=("text", "label"),
    row_functions=(flatten_spans,),
    inputs=mark_spans,
    targets="{label}",
    labels={"False": "False", "True": "True"},
    metrics=("accuracy",),
    hyperformer=Rewording(inputs="text: {text} span1_text: {span1_text} span2_text: {span2_text}"),
    tfds=in_tfds("wsc.fixed"),
    hf=on_hub("wsc.fixed"),
    source=_WSC_SOURCE,
)

WSC_SIMPLE = Task(
    name="wsc_simple",
    kind="generation",
    description="Which noun does the pronoun mean? The schemas of wsc whose noun is the right one.",
    fields=_WSC_FIELDS,
    columns=("text", "label"),
    row_functions=(flatten_spans, keep_true),
    inputs=mark_pronoun,
    targets="{span1_text}",
    metrics=("exact_match",),
    hyperformer=Rewording(inputs="text: {text} span2_text: {span2_text}"),
    tfds=in_tfds("wsc.fixed"),
    hf=on_hub("wsc.fixed"),
    source=_WSC_SOURCE,
)

TASKS = (BOOLQ, CB, COPA, SUPERGLUE_RTE, WIC, WSC, WSC_SIMPLE)
