"""How a row becomes examples: row functions, right answers, wording, and the label's index."""

import functools
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prep.sources.declarations import RowFunction
from prep.sources.row import Row, RowError, as_row_error, check_text, is_blank
from prep.tasks.patterns import SlowPatternError
from prep.tasks.task import Task, Wording
from prep.tasks.templates import NUMBER, compile_template
from prep.tokens.vocabulary import EOS_MARK

NO_LABEL = -1
TRAIN_SPLIT = "train"
_REFERENCES = "references of this example"  # a field of rows that no file can have by chance


class Example(NamedTuple):
    """A pair of texts.

    Attributes:
        inputs: What the encoder reads; of a task with choices, one text for each, with `EOS_MARK`
            between them.
        targets: What the decoder shall write.
        label: Index of the label word, −1 if the task has none.
        references: Every right answer, `targets` the first of them.
        group: What the task's examples are scored together by; empty: each by itself.
        document: The text that this and other examples are about; empty: none is shared.
    """

    inputs: str
    targets: str
    label: int
    references: tuple[str, ...] = ()
    group: str = ""
    document: str = ""


def row_to_example(task: Task) -> Callable[[Row], Example]:
    """Prepare the function that turns rows of this task into examples.

    Args:
        task: The task.

    Returns:
        A function that raises RowError for a row that cannot be used.
    """
    fields, labels = task.fields, spellings(task.labels)
    word_index = {word: index for index, word in enumerate(task.label_words)}
    make_inputs = _compile_choices(task) if task.choices else _compile(task.inputs, task.prefix)
    make_targets = _first_reference if task.answers else _compile(task.targets)
    make_group = _compile(task.group)
    make_document = _compile(task.document)
    has_group, has_document = bool(task.group), bool(task.document)
    is_number = task.kind == "regression" and not labels
    new = tuple.__new__  # of a named tuple: half the cost of its own constructor

    def make(row: Row) -> Example:
        try:
            for name in fields:
                value = row.get(name)
                if value is None:
                    raise RowError("missing field", repr(name))
                if isinstance(value, str) and is_blank(value):
                    raise RowError("empty field", repr(name))
            inputs, targets = make_inputs(row), make_targets(row)
            group = make_group(row) if has_group else ""
            document = make_document(row) if has_document else ""
            references = (targets,) if labels else row.get(_REFERENCES) or (targets,)
            if not (inputs.isascii() and targets.isascii() and len(references) == 1):
                for text in (inputs, *references):
                    check_text(text)
            if is_number:
                _check_number(targets)
            word = _label_word(labels, targets) if labels else targets
        except RowError:
            raise
        except Exception as error:
            raise as_row_error(error) from error
        if not labels:
            return new(Example, (inputs, targets, NO_LABEL, references, group, document))
        if word is None:
            expected = ", ".join(map(repr, task.labels))
            raise RowError("unknown label", f"{targets!r} is none of {expected}")
        return new(Example, (inputs, word, word_index[word], (), group, document))

    return make


def _ignore(name: str) -> None:
    """Count nothing."""


def row_to_rows(
    task: Task, split: str, note_left_out: Callable[[str], None] = _ignore
) -> Callable[[Row], list[Row]] | None:
    """Prepare the chain of row functions.

    Args:
        task: The task.
        split: The split the rows belong to; in training, every right answer makes a row.
        note_left_out: Receives the name of the function that leaves nothing of a row.

    Returns:
        A function from a row to the rows it becomes, which raises RowError for a row that
        cannot be used, and SlowPatternError where the task cannot go on; None for a task that
        has no row functions.
    """
    functions = task.all_row_functions
    if task.answers:
        spread = functools.partial(_take_answers, task.answers, split == TRAIN_SPLIT)
        functions = (*functions, spread)
    if not functions:
        return None

    def expand(row: Row) -> list[Row]:
        rows = [row]
        for function in functions:
            try:
                rows = [made for one in rows for made in _as_rows(function(one))]
            except RowError:
                raise
            except SlowPatternError as error:
                raise SlowPatternError(f"{_name_of(function)}: {error}") from error
            except Exception as error:
                raise as_row_error(error) from error
            if not rows:
                note_left_out(_name_of(function))
                break
        return rows

    return expand


def _name_of(function: RowFunction) -> str:
    """Call a row function by the key of a task file that asks for it, else by its own name."""
    if place := getattr(function, "place", ""):
        return place
    while isinstance(function, functools.partial):
        function = function.func
    return f"the row function {getattr(function, '__name__', repr(function))}"


def row_to_examples(
    task: Task, split: str, note_left_out: Callable[[str], None] = _ignore
) -> Callable[[Row | RowError], list[Example]]:
    """Prepare the function that turns a row of a file into the examples it becomes.

    Args:
        task: The task.
        split: The split the rows belong to.
        note_left_out: Receives the name of the row function that leaves nothing of a row.

    Returns:
        A function that raises RowError for a row that cannot be used, or is none.
    """
    make, expand = row_to_example(task), row_to_rows(task, split, note_left_out)

    def make_all(row: Row | RowError) -> list[Example]:
        if isinstance(row, RowError):
            raise row
        return [make(row)] if expand is None else [make(part) for part in expand(row)]

    return make_all


def spellings(labels: Mapping[str, str]) -> dict[str, str]:
    """Add the ways in which other programs write the same labels.

    Args:
        labels: What the file writes → label word.

    Returns:
        The same, with 1.0 for 1 and the reverse, true in any case, and true and false where
        labels are 1 and 0, and composed letters for those with combining marks; never a spelling
        that the labels have themselves.
    """
    known = dict(labels)
    for value, word in labels.items():
        known.setdefault(unicodedata.normalize("NFC", value), word)
        if value.lstrip("-").isdecimal():
            known.setdefault(f"{value}.0", word)
        elif value.endswith(".0") and value[:-2].lstrip("-").isdecimal():
            known.setdefault(value[:-2], word)
    is_boolean = {value.casefold() for value in labels} & {"true", "false"}
    for truth, digit in (("true", "1"), ("false", "0")):
        own = {word for value, word in labels.items() if value.casefold() == truth}
        if not is_boolean and {"0", "1"} <= labels.keys():
            own = {labels[digit]}
        if len(own) == 1:
            for spelled in (truth, truth.title(), truth.upper()):
                known.setdefault(spelled, *own)
    return known


def _label_word(labels: Mapping[str, str], value: str) -> str | None:
    """Look a label up, first as it is written, then without blanks, then with composed letters."""
    word = labels.get(value) or labels.get(value.strip())
    if word is None and not value.isascii():
        word = labels.get(unicodedata.normalize("NFC", value.strip()))
    return word


def _check_number(text: str) -> None:
    """Refuse a target that is not written as a finite number: "n/a", "4,5", "inf", "1_000"."""
    if not (NUMBER.fullmatch(text.strip()) and math.isfinite(float(text))):
        raise RowError("not a number", repr(text))


def _take_answers(
    find: Callable[[Row], Iterable[str]], is_training: bool, row: Row
) -> Iterable[Row]:
    answers = tuple(dict.fromkeys(find(row)))
    if not answers:
        raise RowError("no answer")
    chosen = [(answer,) for answer in answers] if is_training else [answers]
    return [{**row, _REFERENCES: references} for references in chosen]


def _first_reference(row: Row) -> str:
    return row[_REFERENCES][0]


def _as_rows(made: Row | Iterable[Row] | None) -> Iterable[Row]:
    if made is None:
        return ()
    return (made,) if isinstance(made, Mapping) else made


def _compile_choices(task: Task) -> Callable[[Row], str]:
    """Join the texts of all choices, as the vocabulary takes them apart again."""
    choices, prefix = task.choices, task.prefix
    if callable(choices):
        make = choices
    else:
        fills = [compile_template(template) for template in choices]

        def make(row: Row) -> tuple[str, ...]:
            return tuple(fill(row) for fill in fills)

    count = len(task.label_words)

    def join(row: Row) -> str:
        texts = make(row)
        if len(texts) != count:
            raise RowError("wrong choices", f"expected {count}, found {len(texts)}")
        for text in texts:
            if EOS_MARK in text:
                raise RowError("a choice with a separator", f"{EOS_MARK} in {text!r}")
        return EOS_MARK.join(prefix + text for text in texts)

    return join


def _compile(wording: Wording, prefix: str = "") -> Callable[[Row], str]:
    if isinstance(wording, str):
        return compile_template(wording, prefix)
    word: Callable[[Row], str] = wording
    return (lambda row: prefix + word(row)) if prefix else word
