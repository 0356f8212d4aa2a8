"""Choosing by common sense: CommonsenseQA (Talmor et al. 2019) and e-CARE (Du et al. 2022)."""

from prep.sources import Carve, FileSource, FileSpec, Layout, Row
from prep.task import RowError, Task

_CHOICES = ("A", "B", "C", "D", "E")
_TRAINING_SHARE = 0.8  # of a file that is all there is


def _layouts(train: str, dev: str) -> tuple[Layout, Layout]:
    """The official pair of files, or the second alone with a training part carved out of it."""
    validation = FileSpec(dev, "jsonl")
    return (
        Layout({"train": FileSpec(train, "jsonl"), "validation": validation}),
        Layout({"validation": validation}, carve=Carve("train", "validation", _TRAINING_SHARE)),
    )


def word_commonsense_question(row: Row) -> str:
    """Words a question with its five lettered choices.

    Args:
        row: A row as the authors publish it: {"question": {"stem": …, "choices": […]}}.

    Returns:
        The text for the encoder.

    Raises:
        RowError: If the choices are not lettered A to E.
    """
    question = row["question"]
    text_of = {choice["label"]: choice["text"] for choice in question["choices"]}
    if tuple(text_of) != _CHOICES:
        raise RowError("wrong choices", f"expected A to E, found {', '.join(text_of)}")
    choices = " ".join(f"{letter}: {text}" for letter, text in text_of.items())
    return f"commonsense_qa question: {question['stem']} choices: {choices}"


COMMONSENSE_QA = Task(
    name="commonsense_qa",
    kind="multiple_choice",
    description="Which of five answers fits the question?",
    fields=("question", "answerKey"),
    inputs=word_commonsense_question,
    targets="{answerKey}",
    labels={letter: letter for letter in _CHOICES},
    metrics=("accuracy",),
    source=FileSource(
        folders=("commonsenseqa", "commonsense_qa", "CommonsenseQA"),
        layouts=_layouts("train_rand_split.jsonl", "dev_rand_split.jsonl"),
    ),
)

E_CARE = Task(
    name="e_care",
    kind="multiple_choice",
    description="Which of two hypotheses is the cause, or the effect, of the premise?",
    fields=("premise", "ask-for", "hypothesis1", "hypothesis2", "label"),
    inputs=(
        "e_care choice1: {hypothesis1} choice2: {hypothesis2} premise: {premise}"
        " question: {ask-for}"
    ),
    targets="{label}",
    labels={"0": "choice1", "1": "choice2"},
    metrics=("accuracy",),
    source=FileSource(
        folders=("ecare", "e_care", "Causal_Reasoning"),
        layouts=(
            *_layouts("cr_train.jsonl", "cr_dev.jsonl"),
            *_layouts("train.jsonl", "dev.jsonl"),
        ),
    ),
)

TASKS = (COMMONSENSE_QA, E_CARE)
