"""Do our beam search and our greedy decoding answer what PyTorch's `generate` does?

    python -m benchmarks.parity.beams --python ENV/bin/python [--cases 70]

For tiny random models of three kinds, random settings of beam search, random limits and random
tokens that end an answer: ids must be equal, and scores within 1e-4. With one beam, greedy decoding
is compared too. The interpreter has torch and transformers 4.57;
`make parity` makes one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel, load_backbone
from benchmarks.parity.cases import LIMIT, MODELS
from eval import BeamModel, GreedyModel
from eval.decoding.options import Limits

TORCH_SIDE = Path(__file__).with_name("torch_beams.py")


def compare(folder: Path) -> tuple[int, int, float]:
    """Count the cases and those whose ids differ, and find the largest difference of scores."""
    input_ids = np.load(folder / "batch.npz")["input_ids"]
    batch = {
        "encoder_input_tokens": tf.constant(input_ids),
        "task": tf.zeros(len(input_ids), tf.int32),
    }
    model = TaskModel(load_backbone(str(folder / "backbone")), ("only",))
    cases = json.loads((folder / "cases.json").read_text())
    other, worst = 0, 0.0
    for index, case in enumerate(cases):
        model.backbone.config.eos_token_id = case["eos_token_id"]
        length = case["max_new_tokens"]
        limits = Limits(case["min_new_tokens"], case["no_repeat_ngram_size"])
        ours = BeamModel(
            model,
            length=length,
            beams=case["num_beams"],
            n_best=case["num_return_sequences"],
            length_penalty=case["length_penalty"],
            early_stopping=case["early_stopping"],
            limits=limits,
        )(batch)
        theirs = np.load(folder / f"answer{index}.npz")
        found = [ours.tokens.numpy()]
        if case["num_beams"] == 1:
            for leave in (False, True):
                greedy = GreedyModel(model, length=length, limits=limits, examples_leave=leave)
                found.append(tf.function(greedy, autograph=False)(batch).numpy()[:, None])
        if not all(np.array_equal(ids, theirs["ids"]) for ids in found):
            other += 1
            print(f"{folder.name} {index}: other ids: {case}")
        if not np.isnan(theirs["scores"]).any():
            worst = max(worst, float(np.abs(ours.scores.numpy() - theirs["scores"]).max()))
    return len(cases), other, worst


def main() -> None:
    """Compare, and fail where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="interpreter with torch and transformers")
    parser.add_argument("--cases", type=int, default=70, help="of each of the three models")
    options = parser.parse_args()
    is_wrong = False
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        command = [options.python, "-W", "ignore", str(TORCH_SIDE), str(work), str(options.cases)]
        subprocess.run(command, check=True)
        for name in MODELS:
            cases, other, worst = compare(work / name)
            print(f"{name:<6} {cases} cases, {other} with other ids, scores within {worst:.1e}")
            is_wrong |= other > 0 or worst >= LIMIT
    if is_wrong:
        sys.exit("error: an answer differs")


if __name__ == "__main__":
    main()
