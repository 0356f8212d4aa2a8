"""SuperGLUE's tasks that ask about a passage, several examples to a row (Wang et al. 2019)."""

import re

from prep.sources.declarations import FileSource
from prep.sources.row import Row
from prep.tasks.catalogue.superglue_sources import OFFICIAL, in_tfds, on_hub
from prep.tasks.task import Rewording, Task


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
    document="{paragraph}",
    hyperformer=Rewording(inputs=word_multirc_plainly),
    tfds=in_tfds("multirc"),
    hf=on_hub("multirc"),
    source=FileSource(
        folders=("multirc", "MultiRC"), layouts=(OFFICIAL,), row_functions=(spread_answers,)
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
    document="{passage}",
    metrics=("squad_f1", "squad_em"),
    hyperformer=Rewording(inputs=word_record_plainly),
    tfds=in_tfds("record"),
    hf=on_hub("record"),
    source=FileSource(
        folders=("record", "ReCoRD"), layouts=(OFFICIAL,), row_functions=(spread_queries,)
    ),
)

TASKS = (MULTIRC, RECORD)
