"""What a new task's row begins with: rows of the run, of the decoder those that were trained."""

from pathlib import Path

import numpy as np

from adapters_tf.model.heads import HeadOf
from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.settings import ResolvedHeads, ResolvedModel, ResolvedRun
from trainer.adding.row import Merging, fits_heads, merged_rows
from trainer.adding.trained_run import Saved, TrainedRun

HEADS = ResolvedHeads(
    tasks=["b", "c"],
    kinds={"b": "classification", "c": "regression"},
    answers={"b": 2, "c": 1},
    words={"b": ["no", "yes"]},
)
ORIGIN = ResolvedRun(
    "data", "run", ("a", "b", "c"), 0, ResolvedModel(), AdapterConfig(), heads=HEADS
)
BANKS = {
    "encoder.up": np.array([[1.0], [2.0], [6.0]]),
    "decoder.up": np.array([[3.0], [7.0], [9.0]]),
}
RUN = TrainedRun(Path("run"), Saved(1, BANKS, {}, 1), None, "")


def rows(tasks, how="mean"):
    found = merged_rows(RUN, set(BANKS), ORIGIN, Merging(tasks, how))
    return {path: row.tolist() for path, row in found.items()}


def test_of_the_decoder_the_rows_of_tasks_in_words_are_merged():
    assert rows(["a", "b", "c"]) == {"encoder.up": [3.0], "decoder.up": [3.0]}
    assert rows(["b", "c"]) == {"encoder.up": [4.0]}
    assert rows(["a"]) == {"encoder.up": [1.0], "decoder.up": [3.0]}


def test_a_head_begins_with_heads_that_answer_the_same():
    own = HeadOf("classification", 2, ("no", "yes"))
    assert fits_heads(own, ORIGIN, ["b"]) and not fits_heads(own, ORIGIN, ["b", "c"])
    assert not fits_heads(HeadOf("classification", 2, ("yes", "no")), ORIGIN, ["b"])
    assert not fits_heads(None, ORIGIN, ["b"])
