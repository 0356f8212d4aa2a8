"""Tasks of the SuperGLUE benchmark (Wang et al. 2019), in the wording of T5 (appendix D)."""

import re
from collections.abc import Sequence

from prep.sources.declarations import Carve, FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row, RowError
from prep.tasks.task import Rewording, Task

_PUNCTUATION = ".,;:!?\"'"
_TRAINING_SHARE = 0.8  # of a validation file that is all there is


def _jsonl_splits(**files: str) -> dict[str, FileSpec]:
    return {split: FileSpec(name, "jsonl") for split, name in files.items()}


_OFFICIAL = Layout(_jsonl_splits(train="train.jsonl", validation="val.jsonl"))

_VALIDATION_ALONE = Layout(
    _jsonl_splits(validation="val.jsonl"), carve=Carve("train", "validation", _TRAINING_SHARE)
)


def _tfds(config: str) -> TfdsSource:
    return TfdsSource("super_glue", config)


def _hub(config: str) -> HubSource:
    return HubSource("aps/super_glue", config)


BOOLQ = Task(
    name="boolq",
    kind="classification",
    description="Is the answer to the question, given the passage, yes?",
    fields=("passage", "question", "label"),
    inputs="boolq passage: {passage} question: {question}",
    targets="{label}",
    labels={"False": "False", "True": "True"},
    metrics=("accuracy",),
    hyperformer=Rewording(inputs="question: {question} passage: {passage}", name="superglue-boolq"),
    tfds=_tfds("boolq"),
    hf=_hub("boolq"),
    source=FileSource(
        folders=("boolq", "BoolQ"),
        layouts=(
            Layout(
                _jsonl_splits(train="train.jsonl", validation="dev32.jsonl", test="val.jsonl"),
                note=(
                    "FewGLUE: 32 rows to train on and 32 (dev32.jsonl) to validate with; the"
                    " official validation set, val.jsonl, is the test split"
                ),
            ),
            _OFFICIAL,
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
    tfds=_tfds("cb"),
    hf=_hub("cb"),
    source=FileSource(folders=("cb", "CB"), layouts=(_OFFICIAL,)),
)

COPA = Task(
    name="copa",
    kind="multiple_choice",
    description="Which of two alternatives is the more plausible cause or effect?",
    fields=("choice1", "choice2", "premise", "question", "label"),
    inputs="copa choice1: {choice1} choice2: {choice2} premise: {premise} question: {question}",
    targets="{label}",
    labels={"0": "choice1", "1": "choice2"},
    metrics=("accuracy",),
    tfds=_tfds("copa"),
    hf=_hub("copa"),
    source=FileSource(folders=("copa", "COPA"), layouts=(_OFFICIAL,)),
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
    tfds=_tfds("rte"),
    hf=_hub("rte"),
    source=FileSource(folders=("superglue_rte", "RTE"), layouts=(_OFFICIAL,)),
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
    tfds=_tfds("wic"),
    hf=_hub("wic"),
    source=FileSource(folders=("wic", "WiC"), layouts=(_OFFICIAL, _VALIDATION_ALONE)),
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
_WSC_SOURCE = FileSource(folders=("wsc", "WSC"), layouts=(_OFFICIAL, _VALIDATION_ALONE))

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
    tfds=_tfds("wsc.fixed"),
    hf=_hub("wsc.fixed"),
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
    tfds=_tfds("wsc.fixed"),
    hf=_hub("wsc.fixed"),
    source=_WSC_SOURCE,
)


def spread_answers(row: Row) -> list[Row]:
    """Makes one row of each answer to each question about a passage of MultiRC.

    Args:
        row: A row as the files have it, with questions in "passage".

    Returns:
        Rows with the fields paragraph, question, answer, label.
    """
    passage = row["passage"]
    return [
        {
            "paragraph": passage["text"],
            "question": question["question"],
            "answer": answer["text"],
            "label": answer["label"],
        }
        for question in passage["questions"]
        for answer in question["answers"]
    ]


def word_multirc(row: Row) -> str:
    """Words an answer to judge, the markup of the passage taken out.

    Args:
        row: A row with the fields paragraph, question and answer.

    Returns:
        The text for the encoder.
    """
    text = f"multirc question: {row['question']} answer: {row['answer']}"
    return _without_markup(f"{text} paragraph: {row['paragraph']}")


def word_multirc_plainly(row: Row) -> str:
    """Words an answer to judge without the task's name.

    Args:
        row: A row with the fields paragraph, question and answer.

    Returns:
        The text for the encoder.
    """
    return word_multirc(row).removeprefix("multirc ")


def _without_markup(text: str) -> str:
    return re.sub("</?b>", "", text.replace("<br>", " "))


MULTIRC = Task(
    name="multirc",
    kind="classification",
    description="Is the answer to the question about the paragraph right (MultiRC)?",
    fields=("paragraph", "question", "answer", "label"),
    columns=("passage",),
    inputs=word_multirc,
    targets="{label}",
    labels={"0": "False", "1": "True"},
    metrics=("f1", "group_exact_match", "accuracy"),
    group="{paragraph}\n{question}",
    hyperformer=Rewording(inputs=word_multirc_plainly),
    tfds=_tfds("multirc"),
    hf=_hub("multirc"),
    source=FileSource(
        folders=("multirc", "MultiRC"), layouts=(_OFFICIAL,), row_functions=(spread_answers,)
    ),
)


def spread_queries(row: Row) -> list[Row]:
    """Makes one row of each query about a passage of ReCoRD.

    Args:
        row: A row as the files have it, entities as places in the text.

    Returns:
        Rows with the fields passage, query, entities, answers.
    """
    passage = row["passage"]
    text = passage["text"]
    spans = passage["entities"]
    entities = sorted({text[span["start"] : span["end"] + 1] for span in spans})
    return [
        {
            "passage": text,
            "query": query["query"],
            "entities": entities,
            "answers": sorted({answer["text"] for answer in query["answers"]}),
        }
        for query in row["qas"]
    ]


def right_entities(row: Row) -> list[str]:
    """Lists the right answers to a query of ReCoRD.

    Args:
        row: A row with the fields passage, query, entities and answers.

    Returns:
        The texts.
    """
    return row["answers"]


def word_record(row: Row) -> str:
    """Words a query, the highlights of the article as sentences of it.

    Args:
        row: A row with the fields passage, query and entities.

    Returns:
        The text for the encoder.
    """
    passage = re.sub(r"([.?!\"'])\n@highlight\n", r"\1 ", row["passage"])
    passage = passage.replace("\n@highlight\n", ". ")
    entities = ", ".join(row["entities"])
    return f"record query: {row['query']} entities: {entities} passage: {passage}"


def word_record_plainly(row: Row) -> str:
    """Words a query without the task's name.

    Args:
        row: A row with the fields passage, query and entities.

    Returns:
        The text for the encoder.
    """
    return word_record(row).removeprefix("record ")


RECORD = Task(
    name="record",
    kind="generation",
    description="Which entity of the article fills the gap (ReCoRD)?",
    fields=("passage", "query", "entities", "answers"),
    columns=("passage", "qas"),
    inputs=word_record,
    targets="",
    answers=right_entities,
    metrics=("squad_f1", "squad_em"),
    hyperformer=Rewording(inputs=word_record_plainly),
    tfds=_tfds("record"),
    hf=_hub("record"),
    source=FileSource(
        folders=("record", "ReCoRD"), layouts=(_OFFICIAL,), row_functions=(spread_queries,)
    ),
)

TASKS = (BOOLQ, CB, COPA, SUPERGLUE_RTE, WIC, WSC, WSC_SIMPLE, MULTIRC, RECORD)
