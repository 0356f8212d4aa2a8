"""A run as what TensorFlow saves: signatures that take strings and return answers and scores.

Shape letters: B batch, C choices, K label words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from eval.serving.inputs import Limits, pad_rows, split_rows, truncate_rows
from eval.serving.programs import Key, Programs, TaskAnswers
from eval.serving.texts import BLANKS
from eval.serving.wording import Template
from prep import UsageError

DEFAULT = "serving_default"
COLUMNS = ".columns"  # behind a task's name, where its wording is part of the program
Outputs = dict[str, tf.Tensor]


class ServedModel(tf.Module):
    """All tasks of an export, by name or by themselves.

    Args:
        programs: What answers token ids.
        limits: How long the inputs of each task may be.
        input_length: Tokens that the model reads at most; longer inputs are cut.
        templates: How the inputs of tasks are worded, by task, where that is known.

    Raises:
        UsageError: A task has the name of a signature.
    """

    def __init__(
        self,
        programs: Programs,
        limits: Limits,
        input_length: int,
        templates: Mapping[str, Template],
    ):
        super().__init__(name="served_model")
        self.vocabulary, self.limits = programs.vocabulary, limits
        self.input_length = input_length
        self._programs, self._templates = programs, dict(templates)
        self.names = [task.entry.name for task in programs.tasks]
        if DEFAULT in self.names:
            raise UsageError(f"a task is called {DEFAULT!r}, as the signature of all tasks is")
        self.weights: list[tf.Variable] = []

    def make_signatures(self, variables: Sequence[tf.Variable]) -> dict[str, Any]:
        """Trace all signatures.

        Args:
            variables: Of the model; those that answers take become part of what is saved.

        Returns:
            Concrete functions by name: `serving_default`, and each task's.
        """
        traced = {DEFAULT: _trace(self._answer_named, ["text", "task"])}
        for number, name in enumerate(self.names):
            traced[name] = _trace(self._answer_task(number), ["text"])
            if template := self._templates.get(name):
                traced[name + COLUMNS] = _trace(self._answer_columns(number), template.fields)
        used = {id(one) for function in traced.values() for one in function.captured_inputs}
        self.weights = [one for one in variables if id(one.handle) in used]
        return traced

    def _answer_named(self, text: tf.Tensor, task: tf.Tensor) -> Outputs:
        """Answer texts of any tasks, which are named beside them."""
        shape = tf.debugging.assert_equal(
            tf.shape(text), tf.shape(task), "expected as many names in `task` as texts in `text`"
        )
        is_it = task[:, None] == tf.constant(self.names)
        is_known = tf.reduce_any(is_it, 1)
        unknown = tf.boolean_mask(task, ~is_known)
        what = f"expected a task out of {', '.join(self.names)}; got"
        known = tf.debugging.Assert(tf.reduce_all(is_known), [what, unknown])
        with tf.control_dependencies([shape, known]):
            number_B = tf.argmax(tf.cast(is_it, tf.int32), 1, output_type=tf.int32)
        answers = self._answer(text, number_B)
        words = tf.gather(self._programs.words, number_B)
        return self._as_outputs(answers, words, self._programs.most_words)

    def _answer_task(self, number: int) -> Callable[[tf.Tensor], Outputs]:
        """Make the function that answers texts of one task."""
        programs = self._programs
        task = programs.tasks[number]
        count = 0 if task.way == "decoded" else len(task.entry.label_words)

        def answer(text: tf.Tensor) -> Outputs:
            number_B = tf.fill(tf.shape(text), number)
            ids = self._read(text, number_B, programs.choices_of(programs.keys[number]))
            answers = self._answer_ids(programs.keys[number], ids, number_B)
            return self._as_outputs(answers, tf.gather(programs.words, number_B), count)

        return answer

    def _answer_columns(self, number: int) -> Callable[..., Outputs]:
        """Make the function that words the fields of one task and answers them."""
        template, answer = self._templates[self.names[number]], self._answer_task(number)

        def answer_columns(*columns: tf.Tensor) -> Outputs:
            checks = [
                _refuse_blank(column, f"field {name!r} is empty")
                for name, column in zip(template.fields, columns, strict=True)
            ]
            with tf.control_dependencies(checks):
                return answer(template.fill(columns))

        return answer_columns

    def _as_outputs(self, answers: TaskAnswers, words_BK: tf.Tensor, count: int) -> Outputs:
        """Name what is returned; label words and their probabilities only where there are some."""
        found = {"answer": answers.answer, "score": answers.score}
        if count:
            found["labels"] = words_BK[:, :count]
            found["probabilities"] = answers.probabilities[:, :count]
        return found

    def _read(self, text_B: tf.Tensor, number_B: tf.Tensor, choices: int) -> tf.RaggedTensor:
        """Turn texts into token ids as a dataset has them, [B, tokens] or [B, C, tokens]."""
        with tf.control_dependencies([_refuse_blank(text_B, "a text is empty")]):
            ids = self.vocabulary.encode(text_B)
        if not choices:
            return self._truncate(ids, number_B)
        parts = split_rows(ids)
        count = tf.debugging.assert_equal(
            parts.row_lengths(),
            tf.constant(choices, tf.int64),
            f"expected the texts of {choices} choices with </s> between them",
        )
        with tf.control_dependencies([count]):
            number = tf.repeat(number_B, choices)
        texts = self._truncate(parts.values, number)
        return tf.RaggedTensor.from_uniform_row_length(texts, choices)

    def _truncate(self, ids: tf.RaggedTensor, number: tf.Tensor) -> tf.RaggedTensor:
        length, keep = (tf.gather(tf.constant(one), number) for one in self.limits[:2])
        return truncate_rows(ids, length, keep, self.limits.marker_id)

    def _answer(self, text_B: tf.Tensor, number_B: tf.Tensor) -> TaskAnswers:
        """Answer texts of any tasks, those of each program together."""
        programs = self._programs
        B = tf.shape(text_B)[0]
        found = TaskAnswers(tf.fill([B], ""), tf.zeros([B]), tf.zeros([B, programs.most_words]))
        for key in dict.fromkeys(programs.keys):
            is_its = tf.constant([its == key for its in programs.keys])
            rows = tf.where(tf.gather(is_its, number_B))
            found = _where_any(rows, self._answer_rows(key, text_B, number_B, rows), found)
        return found

    def _answer_rows(
        self, key: Key, text_B: tf.Tensor, number_B: tf.Tensor, rows: tf.Tensor
    ) -> Callable[[TaskAnswers], TaskAnswers]:
        """Make the function that puts the answers of one program into their rows."""

        def answer(found: TaskAnswers) -> TaskAnswers:
            number = tf.gather(number_B, rows[:, 0])
            text = tf.gather(text_B, rows[:, 0])
            ids = self._read(text, number, self._programs.choices_of(key))
            if self._mixes_tasks():
                return _put(found, rows, self._answer_ids(key, ids, number))
            present, _ = tf.unique(number)

            def answer_next(turn: tf.Tensor, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
                mine = tf.where(number == present[turn])[:, 0]
                answers = self._answer_ids(key, tf.gather(ids, mine), tf.gather(number, mine))
                return (turn + 1, *_put(TaskAnswers(*parts), tf.gather(rows, mine), answers))

            _, *parts = tf.while_loop(
                lambda turn, *_: turn < tf.size(present),
                answer_next,
                (tf.constant(0), *found),
                shape_invariants=(tf.TensorShape([]), *(part.shape for part in found)),
            )
            return TaskAnswers(*parts)

        return answer

    def _mixes_tasks(self) -> bool:
        """Tell whether one batch of the model may hold several tasks."""
        model = self._programs.model
        return model.is_routed_by_example or not (model.banks or model.heads)

    def _answer_ids(self, key: Key, ids: tf.RaggedTensor, number_B: tf.Tensor) -> TaskAnswers:
        """Answer token ids, padded to the longest of them."""
        choices = self._programs.choices_of(key)
        tokens = pad_rows(ids.values if choices else ids, self.input_length)
        if choices:
            tokens = tf.reshape(tokens, tf.stack([-1, choices, tf.shape(tokens)[1]]))
        return self._programs.answer(key, tokens, number_B)


def _trace(function: Callable[..., Outputs], inputs: Sequence[str]) -> Any:
    specs = [tf.TensorSpec([None], tf.string, name) for name in inputs]
    made = tf.function(function, input_signature=specs, autograph=False)
    return made.get_concrete_function()


def _refuse_blank(text_B: tf.Tensor, what: str) -> tf.Operation:
    is_blank = tf.strings.regex_full_match(text_B, rf"[{BLANKS}]*")
    rows = tf.where(is_blank)[:, 0]
    return tf.debugging.Assert(tf.size(rows) == 0, [f"{what}; rows from 0:", rows])


def _where_any(
    rows: tf.Tensor, answer: Callable[[TaskAnswers], TaskAnswers], found: TaskAnswers
) -> TaskAnswers:
    """Answer where there are rows to answer."""
    return TaskAnswers(
        *tf.cond(tf.size(rows) > 0, lambda: tuple(answer(found)), lambda: tuple(found))
    )


def _put(found: TaskAnswers, rows: tf.Tensor, answers: TaskAnswers) -> TaskAnswers:
    """Put answers into their rows, int64 [rows, 1]."""
    pairs = zip(found, answers, strict=True)
    return TaskAnswers(*(tf.tensor_scatter_nd_update(one, rows, other) for one, other in pairs))
