"""Runs whose frozen matrices are kept in bfloat16."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import load_run, set_precision
from eval.__main__ import main as evaluate
from eval.session import open_session
from tests.trainer.checkpoint_values import weights_of
from tests.trainer.test_fit import SMALL, finish

pytestmark = pytest.mark.slow

MIXED = (
    f"--model.overrides={json.dumps(SMALL)}",
    "--training.precision=mixed_bfloat16",
    "--training.steps=6",
    "--training.checkpoint_every=3",
    "--training.validate_every=3",
    "--training.validation_examples=8",
    "--optimizer.schedule=constant",
)
STORED = "--model.frozen_dtype=bfloat16"


def test_it_is_the_same_run_in_half_the_memory(small_dataset, tmp_path, go_back):
    """Losses, weights, validations and answers; the setting may change on the way."""
    plain, stored, parts = tmp_path / "plain", tmp_path / "stored", tmp_path / "parts"
    said = [finish(small_dataset, plain, *MIXED), finish(small_dataset, stored, *MIXED, STORED)]
    rows = [
        {line[:18].strip(): line.split()[-2] for line in one.splitlines() if line.endswith(" MB")}
        for one in said
    ]
    assert rows[0].keys() == rows[1].keys() and "tasks' rows" in rows[0]
    assert float(rows[1]["embeddings"]) <= 0.6 * float(rows[0]["embeddings"])
    assert rows[1]["tasks' rows"] == rows[0]["tasks' rows"]
    shutil.copytree(stored, parts)
    go_back(parts, 3)
    assert "going on from step 3" in finish(small_dataset, parts, *MIXED)
    right = weights_of(plain)
    for run in (stored, parts):
        for name, value in weights_of(run).items():
            np.testing.assert_array_equal(value, right[name], err_msg=name)
    figures = [
        [
            {name: value for name, value in json.loads(line).items() if "second" not in name}
            for line in (run / "metrics.jsonl").read_text().splitlines()
        ]
        for run in (plain, stored)
    ]
    assert figures[0] == figures[1]
    answers = []
    for run in (plain, stored):
        with contextlib.redirect_stdout(io.StringIO()):
            assert evaluate([f"--run={run}", "--tasks=synthetic_entailment"]) == 0
        answers.append((run / "eval" / "validation.predictions.jsonl").read_text())
    assert answers[0] == answers[1] != ""
    evaluated = open_session(str(stored)).run.model.backbone.shared.embeddings
    assert evaluated.dtype == tf.bfloat16
    set_precision("float32")  # as programs that write adapters have it: the weights as they were
    kept, right = (load_run(run).model.backbone.shared.embeddings for run in (stored, plain))
    assert kept.dtype == tf.float32
    np.testing.assert_array_equal(kept, right)
