"""A run as what TensorFlow saves: signatures that take strings and return answers and scores.

Shape letters: B batch, C choices, K label words.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from eval.serving.inputs import Limits, pad_rows, split_rows, truncate_rows
from eval.serving.programs import Key, Programs, TaskAnswers
from eval.serving.texts import UNSEEN
from eval.serving.wording import Template
from prep import UsageError

DEFAULT = "serving_default"
MOST_SHOWN = 5  # of what is wrong with a request
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
        self._ask = functools.cache(self._make_answer)  # of which a program's is made once
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
        shape = tf.debugging.Assert(
            tf.size(text) == tf.size(task), ["expected as many names in `task` as texts in `text`"]
        )
        is_it = task[:, None] == tf.constant(self.names)
        is_known = tf.reduce_any(is_it, 1)
        unknown = tf.boolean_mask(task, ~is_known)
        what = f"expected a task out of {', '.join(self.names)}; got"
        known = _refuse(~tf.reduce_all(is_known), what, unknown)
        with tf.control_dependencies([shape, known]):
            number_B = tf.argmax(tf.cast(is_it, tf.int32), 1, output_type=tf.int32)
        answers = self._answer(text, number_B)
        words = tf.gather(self._programs.words, number_B)
        count = self._programs.most_words if self._programs.has_words else 0
        return self._as_outputs(answers, words, count)

    def _answer_task(self, number: int) -> Callable[[tf.Tensor], Outputs]:
        """Make the function that answers texts of one task."""
        programs = self._programs
        task = programs.tasks[number]
        count = 0 if task.way == "decoded" else len(task.entry.label_words)

        def answer(text: tf.Tensor) -> Outputs:
            number_B = tf.fill(tf.shape(text), number)
            answers = self._ask(programs.keys[number])(text, number_B)
            return self._as_outputs(answers, tf.gather(programs.words, number_B), count)

        return answer

    def _answer_columns(self, number: int) -> Callable[..., Outputs]:
        """Make the function that words the fields of one task and answers them."""
        template, answer = self._templates[self.names[number]], self._answer_task(number)

        def answer_columns(*columns: tf.Tensor) -> Outputs:
            checks = [
                _refuse_blank(column, f"field {name} is empty")
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

    def _answer(self, text_B: tf.Tensor, number_B: tf.Tensor) -> TaskAnswers:
        """Answer texts of any tasks, those of each program together."""
        programs = self._programs
        B = tf.shape(text_B)[0]
        found = TaskAnswers(tf.fill([B], ""), tf.zeros([B]), tf.zeros([B, programs.most_words]))
        for key in dict.fromkeys(programs.keys):
            is_its = tf.constant([its == key for its in programs.keys])
            of_key = tf.where(tf.gather(is_its, number_B))[:, 0]
            found = self._answer_groups(key, text_B, number_B, of_key, found)
        return found

    def _answer_groups(
        self,
        key: Key,
        text_B: tf.Tensor,
        number_B: tf.Tensor,
        of_key: tf.Tensor,
        found: TaskAnswers,
    ) -> TaskAnswers:
        """Put the answers of one program into their rows, those of one task after another's.

        Where a batch of the model may mix tasks, all of the program's rows are one group.
        """
        number = tf.gather(number_B, of_key)
        group = tf.zeros_like(number) if self._mixes_tasks() else number
        present, _ = tf.unique(group)

        def answer_next(turn: tf.Tensor, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
            rows = tf.boolean_mask(of_key, group == present[turn])
            answers = self._ask(key)(tf.gather(text_B, rows), tf.gather(number_B, rows))
            pairs = zip(parts, answers, strict=True)
            put = (tf.tensor_scatter_nd_update(part, rows[:, None], one) for part, one in pairs)
            return (turn + 1, *put)

        _, *parts = tf.while_loop(
            lambda turn, *_: turn < tf.size(present),
            answer_next,
            (tf.constant(0), *found),
            shape_invariants=(tf.TensorShape([]), *(part.shape for part in found)),
        )
        return TaskAnswers(*parts)

    def _mixes_tasks(self) -> bool:
        """Tell whether one batch of the model may hold several tasks."""
        model = self._programs.model
        return model.is_routed_by_example or not (model.banks or model.heads)

    def _make_answer(self, key: Key) -> Callable[[tf.Tensor, tf.Tensor], TaskAnswers]:
        """Make the function that answers texts by one program, of tasks that share it."""

        def answer(text_B: tf.Tensor, number_B: tf.Tensor) -> TaskAnswers:
            tokens = self._read(text_B, number_B, self._programs.choices_of(key))
            return self._programs.answer(key, tokens, number_B)

        specs = [tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int32)]
        return tf.function(answer, input_signature=specs, autograph=False)

    def _read(self, text_B: tf.Tensor, number_B: tf.Tensor, choices: int) -> tf.Tensor:
        """Turn texts into token ids as a dataset has them, padded: [B, S], or [B, C, S]."""
        with tf.control_dependencies([_refuse_blank(text_B, "a text is empty")]):
            ids = self.vocabulary.encode(text_B)
        if not choices:
            return pad_rows(self._truncate(ids, number_B), self.input_length)
        parts = split_rows(ids)
        counts = parts.row_lengths()
        wrong = tf.boolean_mask(counts, counts != choices)
        what = f"expected the texts of {choices} choices with </s> between them, got as many as"
        count = _refuse(tf.size(wrong) > 0, what, tf.strings.as_string(wrong))
        with tf.control_dependencies([count]):
            texts = self._truncate(parts.values, tf.repeat(number_B, choices))
        tokens = pad_rows(texts, self.input_length)
        return tf.reshape(tokens, tf.stack([-1, choices, tf.shape(tokens)[1]]))

    def _truncate(self, ids: tf.RaggedTensor, number: tf.Tensor) -> tf.RaggedTensor:
        length, keep = (tf.gather(tf.constant(one), number) for one in self.limits[:2])
        return truncate_rows(ids, length, keep, self.limits.marker_id)


def _trace(function: Callable[..., Outputs], inputs: Sequence[str]) -> Any:
    specs = [tf.TensorSpec([None], tf.string, name) for name in inputs]
    made = tf.function(function, input_signature=specs, autograph=False)
    return made.get_concrete_function()


def _refuse_blank(text_B: tf.Tensor, what: str) -> tf.Operation:
    rows = tf.where(tf.strings.regex_full_match(text_B, rf"[{UNSEEN}]*"))[:, 0]
    shown = tf.strings.as_string(rows)
    return _refuse(tf.size(rows) > 0, f"{what}; rows from 0:", shown)


def _refuse(is_wrong: tf.Tensor, what: str, which: tf.Tensor) -> tf.Operation:
    """Refuse what is asked in one text, which names the first of what is wrong: strings [wrong]."""
    shown = tf.strings.reduce_join(which[:MOST_SHOWN], separator=", ")
    return tf.debugging.Assert(~is_wrong, [tf.strings.join([what, shown], " ")])
