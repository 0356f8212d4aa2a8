"""Rows of tasks that heads answer: their labels as numbers, and what each example counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adapters_tf.runs.settings import ResolvedHeads
from prep import DataError, TokenTable, Vocabulary, make_inputs

_LARGEST = 1e18  # its square is far from the largest float32


@dataclass
class HeadRows:
    """How the examples of one task become batches for its head.

    Attributes:
        task: Its name.
        is_number: Whether labels are the numbers that targets write, or indices of label words.
        choices: Texts of each example; 0 for one.
        vocabulary: Reads numbers from targets.
        class_weights: What an example of each class counts; empty for 1.
    """

    task: str
    is_number: bool
    choices: int
    vocabulary: Vocabulary
    class_weights: Sequence[float] = ()
    _numbers: dict[bytes, float] = field(default_factory=dict, repr=False)

    def labels(self, table: TokenTable) -> np.ndarray:
        """Read the right answers of a table.

        Args:
            table: Examples of the task.

        Returns:
            float32 [examples].

        Raises:
            DataError: An example has no label, or its target is no number.
        """
        if not self.is_number:
            if table.labels.min(initial=0) < 0:
                raise DataError(f"task {self.task!r}: an example has no label for its head")
            return table.labels.astype(np.float32)
        numbers = [self._number(table.target_ids(row)) for row in range(len(table))]
        return np.array(numbers, np.float32)

    def _number(self, ids: np.ndarray) -> float:
        key = ids.tobytes()
        if key not in self._numbers:  # there are few different ones
            text = self.vocabulary.decode(ids)
            try:
                number = float(text)
            except ValueError:
                raise DataError(
                    f"task {self.task!r}: the target {text!r} is no number for its head; the "
                    "vocabulary may lack digits"
                ) from None
            if not abs(number) <= _LARGEST:
                raise DataError(
                    f"task {self.task!r}: the square of the target {text!r} is no number in "
                    "float32; a head learns numbers of about 1 to 10 best"
                )
            self._numbers[key] = number
        return self._numbers[key]

    def make_batch(
        self,
        table: TokenTable,
        rows: np.ndarray,
        labels: np.ndarray,
        *,
        input_length: int,
        task: int,
        is_weighted: bool = True,
    ) -> dict[str, np.ndarray]:
        """Gather examples into padded arrays.

        Args:
            table: Examples of the task.
            rows: int64 [B], positions in the table; −1 is a padding row of weight 0.
            labels: float32 [examples], from `labels`.
            input_length: S in tokens.
            task: Index of the task.
            is_weighted: Whether classes count as `class_weights` says.

        Returns:
            The batch keys of heads: `encoder_input_tokens` int32 [B, S] or [B, C, S], `labels` and
            `label_weights` float32 [B], `task` int32 [B].

        Raises:
            DataError: The inputs of an example are not those of so many choices.
        """
        rows = np.asarray(rows, np.int64)
        is_real = rows >= 0
        chosen = np.where(is_real, labels[rows], 0).astype(np.float32)
        weights = is_real.astype(np.float32)
        if is_weighted and len(self.class_weights):
            weights *= np.asarray(self.class_weights, np.float32)[chosen.astype(np.int64)]
        inputs = make_inputs(
            table, rows, input_length=input_length, task=task, choices=self.choices
        )
        return {**inputs, "labels": chosen, "label_weights": weights}


def head_rows(heads: ResolvedHeads, vocabulary: Vocabulary) -> Mapping[str, HeadRows]:
    """Prepare the rows of every task that a head answers.

    Args:
        heads: Of the run.
        vocabulary: Of its dataset.

    Returns:
        By task.
    """
    weights = heads.class_weights if isinstance(heads.class_weights, dict) else {}
    return {
        task: HeadRows(
            task,
            kind == "regression",
            heads.choices(task),
            vocabulary,
            weights.get(task, ()),
        )
        for task, kind in heads.kinds.items()
    }
