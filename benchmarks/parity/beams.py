"""Do our beam search and our greedy decoding answer what PyTorch's `generate` does?

    python -m benchmarks.parity.beams --python ENV/bin/python [--cases 70] [--adapted 10]

For tiny random models of three kinds, without adapters and with those of PEFT and AdapterHub that
attention keeps something of, random settings of beam search, random limits and random tokens that
end an answer: ids must be equal, and scores within 1e-4. With one beam, greedy decoding is compared
too. The interpreter has torch, transformers 4.57, peft and adapters; `make parity` makes one.
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
from adapters_tf.interop import import_task
from benchmarks.parity.cases import BEAM_CASES, LIMIT, MODELS, TASK, chosen_case
from eval import BeamModel, GreedyModel
from eval.decoding.options import Limits

TORCH_SIDE = Path(__file__).with_name("torch_beams.py")


def read_adapted(folder: Path, name: str, model: str) -> TaskModel:
    """Read the adapter that the other side wrote, on a backbone of its own."""
    backbone = load_backbone(str(folder / "backbone"))
    return import_task(backbone, TASK, chosen_case(name, model).library, folder / name).model


def compare(model: TaskModel, input_ids: np.ndarray, folder: Path) -> tuple[int, int, float]:
    """Count the cases and those whose ids differ, and find the largest difference of scores."""
    batch = {
        "encoder_input_tokens": tf.constant(input_ids),
        "task": tf.zeros(len(input_ids), tf.int32),
    }
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
    parser.add_argument("--adapted", type=int, default=10, help="of each adapter on each of them")
    options = parser.parse_args()
    is_wrong = False
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        counts = [str(options.cases), str(options.adapted)]
        command = [options.python, "-W", "ignore", str(TORCH_SIDE), str(work), *counts]
        subprocess.run(command, check=True)
        for name in MODELS:
            here = work / name
            input_ids = np.load(here / "batch.npz")["input_ids"]
            plain = TaskModel(load_backbone(str(here / "backbone")), ("only",))
            found = {"no adapter": compare(plain, input_ids, here)}
            for adapter in BEAM_CASES:
                model = read_adapted(here, adapter, name)
                found[adapter] = compare(model, input_ids, here / adapter)
            for adapter, (cases, other, worst) in found.items():
                said = f"{cases} cases, {other} with other ids, scores within {worst:.1e}"
                print(f"{name:<6} {adapter:<26} {said}")
                is_wrong |= other > 0 or worst >= LIMIT
    if is_wrong:
        sys.exit("error: an answer differs")


if __name__ == "__main__":
    main()
