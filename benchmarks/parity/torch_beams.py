"""The PyTorch side of `benchmarks.parity.beams`: random T5s, and what `generate` answers.

    python benchmarks/parity/torch_beams.py WORK CASES ADAPTED

Shapes: B batch, S source length, n answers, T target length, V vocabulary.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from cases import BEAM_CASES, MODELS, chosen_case
from torch_side import add_adapter, load_model, random_batch, random_model, save_adapter

PENALTIES = (-1.0, 0.0, 0.6, 1.0, 2.0)
LARGEST_LENGTH, LARGEST_BEAMS = 10, 6
OF_BEAMS = ("num_beams", "num_return_sequences", "length_penalty", "early_stopping")


def draw_case(random: np.random.Generator, vocabulary: int) -> dict:
    """Settings of `generate`; some tokens that are no end in T5 are, so that answers end early."""
    beams = int(random.integers(1, LARGEST_BEAMS + 1))
    ends = random.choice(vocabulary - 2, int(random.integers(1, 7)), replace=False) + 2
    return {
        "num_beams": beams,
        "num_return_sequences": int(random.integers(1, beams + 1)),
        "max_new_tokens": int(random.integers(1, LARGEST_LENGTH + 1)),
        "length_penalty": float(random.choice(PENALTIES)),
        "early_stopping": [False, True, "never"][int(random.integers(3))],
        "eos_token_id": [1, *map(int, ends)],
        "min_new_tokens": int(random.choice([0, 0, 2, 5])),
        "no_repeat_ngram_size": int(random.choice([0, 0, 1, 2, 3])),
    }


def answer(model: torch.nn.Module, batch: dict, case: dict) -> tuple[np.ndarray, np.ndarray]:
    """Ids [B, n, T] up to the first end, 0 after it, and scores [B, n]."""
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    options = case
    if case["num_beams"] == 1:  # that is greedy decoding to transformers, without a score
        options = {key: value for key, value in case.items() if key not in OF_BEAMS}
    with torch.no_grad():
        made = model.generate(
            **inputs, **options, do_sample=False, output_scores=True, return_dict_in_generate=True
        )
    n, T = case["num_return_sequences"], case["max_new_tokens"]
    ids = made.sequences[:, 1:].numpy()
    ids = np.pad(ids, [(0, 0), (0, T - ids.shape[1])])
    is_end = np.isin(ids, case["eos_token_id"])
    ids[np.cumsum(is_end, axis=1) - is_end > 0] = 0  # transformers fills with the end's id
    scores = np.full(len(ids), np.nan)
    if case["num_beams"] > 1:
        scores = made.sequences_scores.numpy()
    return ids.reshape(-1, n, T), scores.reshape(-1, n)


def write_answers(folder: Path, model: torch.nn.Module, batch: dict, cases: list[dict]) -> None:
    """Write cases, and what a model answers in each."""
    (folder / "cases.json").write_text(json.dumps(cases))
    for index, case in enumerate(cases):
        ids, scores = answer(model, batch, case)
        np.savez(folder / f"answer{index}.npz", ids=ids, scores=scores)


def main() -> None:
    """Write models, adapters, batches, cases and answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("cases", type=int, help="of each model")
    parser.add_argument("adapted", type=int, help="of each adapter on each model")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for number, name in enumerate(MODELS):
        random = np.random.default_rng(number)
        vocabulary = MODELS[name]["vocab_size"]
        model, batch = random_model(name), random_batch(vocabulary)
        folder = arguments.work / name
        model.save_pretrained(folder / "backbone")
        np.savez(folder / "batch.npz", input_ids=batch["input_ids"].numpy().astype(np.int32))
        cases = [draw_case(random, vocabulary) for _ in range(arguments.cases)]
        write_answers(folder, model, batch, cases)
        for adapter in BEAM_CASES:
            case = chosen_case(adapter, name)
            adapted = add_adapter(load_model(folder / "backbone"), case)
            save_adapter(adapted, case, folder / adapter)
            cases = [draw_case(random, vocabulary) for _ in range(arguments.adapted)]
            write_answers(folder / adapter, adapted, batch, cases)


if __name__ == "__main__":
    main()
