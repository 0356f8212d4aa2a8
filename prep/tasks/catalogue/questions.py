"""Questions about a passage: SQuAD 1.1 and 2.0, XQuAD, and causal questions."""

import re

from prep.sources.declarations import FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row
from prep.tasks.task import Rewording, Task

XQUAD_LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
_NOT_IN_TFDS = ("ro",)  # of version 3.0.0
UNANSWERABLE = "unanswerable"
_LEVELS = ("data", "paragraphs", "qas")
_METRICS = ("squad_f1", "squad_em")


def pad_punctuation(text: str) -> str:
    """Put blanks around whatever is no ASCII letter or digit, as T5 does for SQuAD.

    Args:
        text: Any text.

    Returns:
        The text with single blanks.
    """
    return re.sub(r"\s+", " ", re.sub(r"(\W)", r" \1 ", text, flags=re.ASCII), flags=re.ASCII)


def word_squad(row: Row) -> str:
    """Words a question and its passage as T5 does.

    Args:
        row: A row with the fields question and context.

    Returns:
        The text for the encoder.
    """
    question, context = pad_punctuation(row["question"]), pad_punctuation(row["context"])
    return re.sub(r"\s+", " ", f"question: {question} context: {context}", flags=re.ASCII)


def raw_answers(row: Row) -> list[str]:
    """Lists the answers that the annotators gave, as they stand.

    Args:
        row: A row with the field answers, a list of objects or an object of lists.

    Returns:
        The texts.
    """
    answers = row["answers"]
    return answers["text"] if isinstance(answers, dict) else [one["text"] for one in answers]


def padded_answers(row: Row) -> list[str]:
    """Lists the answers that the annotators gave, as T5 writes them.

    Args:
        row: A row with the field answers, a list of objects or an object of lists.

    Returns:
        The texts; "unanswerable" where there is none.
    """
    return [pad_punctuation(text).strip() for text in raw_answers(row)] or [UNANSWERABLE]


def _squad(name: str, version: str, hub: str) -> Task:
    return Task(
        name=name,
        kind="generation",
        description=f"Which words of the passage answer the question (SQuAD {version})?",
        fields=("question", "context", "answers"),
        inputs=word_squad,
        targets="",
        answers=padded_answers,
        document="{context}",
        no_answer=UNANSWERABLE if version.startswith("2") else "",
        metrics=_METRICS,
        hyperformer=Rewording(inputs="question: {question} context: {context}"),
        tfds=TfdsSource("squad", f"v{version}"),
        hf=HubSource(hub),
        source=FileSource(
            folders=(name, "squad"),
            layouts=(
                Layout(
                    {
                        "train": FileSpec(f"train-v{version}.json", "json", records=_LEVELS),
                        "validation": FileSpec(f"dev-v{version}.json", "json", records=_LEVELS),
                    }
                ),
            ),
        ),
    )


def _xquad(language: str) -> Task:
    return Task(
        name=f"xquad_{language}",
        kind="generation",
        description=f"SQuAD's questions translated, to measure transfer ({language}).",
        fields=("question", "context", "answers"),
        inputs="question: {question} context: {context}",
        targets="",
        answers=raw_answers,  # padding would tear letters beyond ASCII apart
        document="{context}",
        metrics=_METRICS,
        hyperformer=Rewording(inputs="question: {question} context: {context}"),
        tfds=None
        if language in _NOT_IN_TFDS
        else TfdsSource("xquad", language, splits={"validation": "test"}),
        hf=HubSource("google/xquad", f"xquad.{language}", splits={"validation": "validation"}),
        source=FileSource(
            folders=("xquad",),
            layouts=(
                Layout({"validation": FileSpec(f"xquad.{language}.json", "json", records=_LEVELS)}),
            ),
        ),
    )


def fill_processed(row: Row) -> Row:
    """Adds the processed fields to a row of a file that has none, as UnifiedQA processes text.

    Args:
        row: A row with the fields question, context and answer.

    Returns:
        A row with question_processed, context_processed and answer_processed as well.
    """
    names = ("question", "context", "answer")
    processed = {f"{name}_processed": " ".join(row[name].lower().split()) for name in names}
    return {**processed, **row}


def gold_answers(row: Row) -> list[str]:
    """Lists the gold answers; a tab lies between them.

    Args:
        row: A row with the field answer_processed.

    Returns:
        The texts.
    """
    answers = [answer.strip() for answer in row["answer_processed"].split("\t")]
    return [answer for answer in answers if answer]


CAUSAL_QA = Task(
    name="causal_qa",
    kind="generation",
    description="Answer a question about causes, which may have several gold answers.",
    fields=("question_processed", "context_processed", "answer_processed"),
    columns=("question", "context", "answer"),
    row_functions=(fill_processed,),
    # A backslash and the letter n, not a line feed: so UnifiedQA was trained.
    inputs="{question_processed} \\n {context_processed}",
    targets="",
    answers=gold_answers,
    metrics=("squad_f1", "squad_em", "rouge_l"),
    language="en",
    hyperformer=Rewording(inputs="question: {question_processed} context: {context_processed}"),
    source=FileSource(
        folders=("causal_qa", "causalqa", "causalqg"),
        layouts=(
            Layout(
                {
                    "train": FileSpec("train.csv", "csv"),
                    "validation": FileSpec("validation.csv", "csv"),
                }
            ),
            Layout(
                {"train": FileSpec("train.csv", "csv"), "validation": FileSpec("dev.csv", "csv")}
            ),
            Layout(
                {
                    "train": FileSpec("synqg_train.csv", "csv"),
                    "validation": FileSpec("synqg_test.csv", "csv"),
                },
                note="CausalQG: its test file is the validation split",
            ),
        ),
    ),
)

TASKS = (
    _squad("squad", "1.1", "rajpurkar/squad"),
    _squad("squad_v2", "2.0", "rajpurkar/squad_v2"),
    CAUSAL_QA,
    *map(_xquad, XQUAD_LANGUAGES),
)
