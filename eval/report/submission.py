"""GLUE's and SuperGLUE's test sets, whose labels nobody has, and the files their servers take."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.metrics.reading import read_labels, read_number
from prep import DataError, Task, UsageError, Vocabulary, get_task
from prep.sources.blocks import parse_block, read_blocks
from prep.sources.declarations import FileSource, FileSpec
from prep.sources.row import Row, RowError
from prep.tasks.examples import row_to_example, row_to_rows

_ROWS = 4096  # of a file, parsed together
_MOST = 5.0  # of STS-B's similarities
_UNKNOWN = "unknown"  # in place of a right answer, which is not looked at
Index = tuple[int, ...]


@dataclass(frozen=True)
class Target:
    """How a task's answers are handed in.

    Attributes:
        file: Name of the file, whose ending says which kind it is.
        value: From the label as the task's files write it to what is handed in.
    """

    file: str
    value: Callable[[str], Any] = str


TARGETS: Mapping[str, Target] = {
    "cola": Target("CoLA.tsv"),
    "sst2": Target("SST-2.tsv"),
    "mrpc": Target("MRPC.tsv"),
    "stsb": Target("STS-B.tsv"),
    "qqp": Target("QQP.tsv"),
    "mnli": Target("MNLI-m.tsv"),
    "qnli": Target("QNLI.tsv"),
    "rte": Target("RTE.tsv"),
    "wnli": Target("WNLI.tsv"),
    "boolq": Target("BoolQ.jsonl", str.lower),
    "cb": Target("CB.jsonl"),
    "copa": Target("COPA.jsonl", int),
    "multirc": Target("MultiRC.jsonl", int),
    "record": Target("ReCoRD.jsonl"),
    "superglue_rte": Target("RTE.jsonl"),
    "wic": Target("WiC.jsonl", str.lower),
    "wsc": Target("WSC.jsonl"),
}


@dataclass(frozen=True)
class OtherSet:
    """A test set that a task's answers are handed in for, beside its own.

    Attributes:
        part: What the name of its file has, in small letters.
        file: As of `Target`.
        rename: Its columns, by what the task calls them where it is called otherwise.
    """

    part: str
    file: str
    rename: Mapping[str, str] = field(default_factory=dict)


# MNLI's second half, and what diagnoses of models of entailment ask (Wang et al. 2018 and 2019).
OTHER_SETS: Mapping[str, Sequence[OtherSet]] = {
    "mnli": (OtherSet("mismatched", "MNLI-mm.tsv"), OtherSet("diagnostic", "AX.tsv")),
    "superglue_rte": (
        OtherSet("ax-b", "AX-b.jsonl", {"sentence1": "premise", "sentence2": "hypothesis"}),
        OtherSet("ax-g", "AX-g.jsonl"),
    ),
}


@dataclass(frozen=True)
class Questions:
    """The questions of a test set.

    Attributes:
        task: Whose they are.
        file: Name of the file to hand in.
        indices: What the server knows each by: its number, of MultiRC passage, question, answer.
        inputs: Worded as the task's.
    """

    task: Task
    file: str
    indices: Sequence[Index]
    inputs: Sequence[str]


def read_test_set(name: str, file: Path) -> Questions:
    """Read the official file of a task's test set.

    Args:
        name: Of a task of GLUE or SuperGLUE.
        file: As the benchmark gives it out, TSV with a heading or JSON Lines, under its own name,
            which tells the sets of one task apart.

    Returns:
        The questions, in the file's order.

    Raises:
        UsageError: The task is of neither.
        DataError: A row lacks what the task asks about, or its number.
    """
    if name not in TARGETS:
        raise UsageError(
            f"{name!r} is no task of GLUE or SuperGLUE, whose servers alone take submissions; "
            f"expected one of {', '.join(sorted(TARGETS))}"
        )
    task, usual = get_task(name), OtherSet("", TARGETS[name].file)
    of_file = (one for one in OTHER_SETS.get(name, ()) if one.part in file.name.lower())
    asked = next(of_file, usual)
    expand = row_to_rows(task, "test") or (lambda row: [row])
    make_example = row_to_example(task)
    indices: list[Index] = []
    inputs: list[str] = []
    for number, row in enumerate(_rows(task, file, asked.rename), 1):
        try:
            if isinstance(row, RowError):
                raise row
            numbers = _number(name, row)
            texts = [make_example(one).inputs for one in expand(_with_label(task, row))]
        except (RowError, KeyError, TypeError) as error:
            raise DataError(f"{file}: row {number} is no question of {name}: {error}") from error
        if len(texts) != len(numbers):
            raise DataError(f"{file}: row {number}: {len(texts)} questions, {len(numbers)} numbers")
        indices += numbers
        inputs += texts
    return Questions(task, asked.file, indices, inputs)


def _rows(task: Task, file: Path, rename: Mapping[str, str]) -> Iterable[Row | RowError]:
    kind = "jsonl" if TARGETS[task.name].file.endswith(".jsonl") else "tsv"
    source = task.source
    assert isinstance(source, FileSource)  # as all of the benchmarks are
    published = next(iter(source.layouts[0].files.values()))
    names = {**published.rename, **rename}
    spec = FileSpec(file.name, kind, rename=names)  # type: ignore[arg-type]
    for block in read_blocks(file, spec, _ROWS):
        yield from parse_block(block)


def _number(name: str, row: Row) -> list[Index]:
    """List what the server knows the questions of a row by."""
    if name == "multirc":
        return [
            (int(row["idx"]), int(question["idx"]), int(answer["idx"]))
            for question in row["passage"]["questions"]
            for answer in question["answers"]
        ]
    if name == "record":
        return [(int(query["idx"]),) for query in row["qas"]]
    key = next((key for key in ("idx", "index", "id") if key in row), None)
    if key is None:
        raise RowError("no number", "expected a column index, idx or id")
    return [(int(row[key]),)]


def _with_label(task: Task, row: Row) -> Row:
    """Put an answer where the task's wording expects one; it is not looked at."""
    any_label = next(iter(task.labels), "0")
    if task.name == "record":
        queries = [{**query, "answers": [{"text": _UNKNOWN}]} for query in row["qas"]]
        return {**row, "qas": queries}
    if task.name == "multirc":
        questions = [
            {
                **question,
                "answers": [{**answer, "label": any_label} for answer in question["answers"]],
            }
            for question in row["passage"]["questions"]
        ]
        return {**row, "passage": {**row["passage"], "questions": questions}}
    return {**row, task.fields[-1]: any_label}


def format_submission(
    test: Questions, answers: Sequence[str], vocabulary: Vocabulary
) -> tuple[str, int]:
    """Write answers as the server takes them.

    Args:
        test: The questions.
        answers: Texts, in their order.
        vocabulary: Label words are compared after its normalization.

    Returns:
        The file's content, and how many answers could not be read; these are handed in as the
        task's first label, of STS-B as 0.
    """
    task, value = test.task, TARGETS[test.task.name].value
    if task.kind == "regression":
        numbers = [min(max(read_number(answer), 0.0), _MOST) for answer in answers]
        values: list[Any] = [f"{number:.3f}" for number in numbers]
        unreadable = sum(read_number(answer) < 0 for answer in answers)
    elif task.labels:
        labels = read_labels(answers, task.label_words, vocabulary)
        unreadable = sum(label < 0 for label in labels)
        written = {word: label for label, word in reversed(list(task.labels.items()))}
        by_number = [value(written[word]) for word in task.label_words]
        values = [by_number[max(label, 0)] for label in labels]
    else:
        values, unreadable = list(answers), 0
    if test.file.endswith(".tsv"):
        lines = (f"{index}\t{one}" for (index,), one in zip(test.indices, values, strict=True))
        return "\n".join(["index\tprediction", *lines]) + "\n", unreadable
    records = _nest(test.indices, values) if task.name == "multirc" else _flat(test.indices, values)
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), unreadable


def _flat(indices: Sequence[Index], values: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"idx": index, "label": value} for (index,), value in zip(indices, values, strict=True)]


def _nest(indices: Sequence[Index], values: Sequence[Any]) -> list[dict[str, Any]]:
    """Put MultiRC's answers below their questions, and those below their passages."""
    passages: dict[int, dict[int, list[dict[str, Any]]]] = {}
    for (passage, question, answer), value in zip(indices, values, strict=True):
        answers = passages.setdefault(passage, {}).setdefault(question, [])
        answers.append({"idx": answer, "label": value})
    return [
        {
            "idx": passage,
            "passage": {
                "questions": [{"idx": number, "answers": one} for number, one in questions.items()]
            },
        }
        for passage, questions in passages.items()
    ]
