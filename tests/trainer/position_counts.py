"""The real tokens of a run's batches, counted by numpy from the tables that they are made of."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from adapters_tf.runs.config import read_config
from prep import load_manifest
from trainer.parts import make_batches


def check_positions(run, first=0):
    """Compare each line of a run's training figures with the batches of its steps.

    Args:
        run: Its folder.
        first: Steps done before the first line that counts.
    """
    settings = read_config(run)
    batches = make_batches(settings, load_manifest(settings.dataset))
    texts = map(json.loads, (Path(run) / "metrics.jsonl").read_text().splitlines())
    lines = [line for line in texts if line["kind"] == "train" and line["step"] > first]
    assert lines
    steps = [first, *(line["step"] for line in lines)]
    for line, (begin, end) in zip(lines, itertools.pairwise(steps), strict=True):
        real = positions = 0
        for number in range(begin * batches.per_step, end * batches.per_step):
            batch = batches.batch(number)
            for name in ("encoder_input_tokens", "decoder_target_tokens"):
                tokens = batch.get(name, np.zeros(0))
                real, positions = real + np.count_nonzero(tokens), positions + tokens.size
        assert line["real_share"] == pytest.approx(real / positions, rel=1e-6)
        per_step = line["real_tokens_per_second"] / line["steps_per_second"]
        assert per_step == pytest.approx(real / (end - begin), rel=1e-6)
