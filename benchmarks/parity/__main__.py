"""Do PEFT, AdapterHub and PyTorch's T5 compute what we compute, before and after training?

For tiny random models and every method that another library can hold: the library writes an
adapter and we read it; we write one and the library reads it. Both sides then take the same three
steps of SGD on the same batch. The table shows the largest difference of any logit; `make parity`
runs it, and fails where one is 1e-4 or more. What has a cache to get wrong, and a T5 with the
adapter folded in, must also decode the same tokens; `make parity-newer` opens the latter with
transformers 5 as well.

Shapes: B batch, T target length, V vocabulary.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel, load_backbone, read_methods
from adapters_tf.interop import export_task, import_task
from adapters_tf.interop.folding import export_folded
from benchmarks.parity.cases import (
    CASES,
    DEVIATION,
    LEARNING_RATE,
    LEAST_CHANGE,
    LIMIT,
    MODELS,
    STEPS,
    TASK,
    Case,
    chosen_case,
)
from eval import GreedyModel

BACKBONE = "backbone"  # the name of the rows that have no adapter
TORCH_SIDE = Path(__file__).with_name("torch_side.py")


def read_batch(folder: Path, row: int) -> dict[str, tf.Tensor]:
    stored = np.load(folder / "batch.npz")
    labels = stored["labels"]
    targets = np.where(labels < 0, 0, labels)
    shifted = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    return {
        "encoder_input_tokens": tf.constant(stored["input_ids"]),
        "decoder_input_tokens": tf.constant(shifted),
        "decoder_target_tokens": tf.constant(targets),
        "decoder_loss_weights": tf.constant(labels >= 0, tf.float32),
        "task": tf.fill([len(labels)], row),
    }


def take_step(model: TaskModel, batch: dict[str, tf.Tensor]) -> None:
    """Plain SGD on the mean cross-entropy of the real targets."""
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        losses_BT = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["decoder_target_tokens"], model(batch)
        )
        weights_BT = batch["decoder_loss_weights"]
        loss = tf.reduce_sum(losses_BT * weights_BT) / tf.reduce_sum(weights_BT)
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(LEARNING_RATE * tf.convert_to_tensor(gradient))


def outputs(model: TaskModel, case: Case, batch: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """Logits; where the case asks for them greedy tokens; logits after `STEPS` steps of SGD."""
    found = {"logits": model(batch).numpy()}
    if case.decodes:
        length = batch["decoder_target_tokens"].shape[1]
        found["tokens"] = GreedyModel(model, length=length)(batch).numpy()
    if case.library == "hf":
        return found
    for _ in range(STEPS):
        take_step(model, batch)
    return {**found, "stepped": model(batch).numpy()}


def shaken_model(backbone: Path, case: Case) -> TaskModel:
    """Our own adapters, their weights moved from their start; the task is the second of two."""
    methods = read_methods(case.method, {case.method: case.settings} if case.settings else {})
    model = TaskModel(
        load_backbone(str(backbone)),
        ("other", TASK),
        methods,
        train_layer_norms=case.train_layer_norms,
    )
    random = np.random.default_rng(2)
    for variable in model.trainable_variables:
        noise = DEVIATION * random.standard_normal(variable.shape)
        variable.assign_add(noise.astype(np.float32))
    return model


def read_theirs(work: Path, model: str, name: str) -> dict[str, float]:
    """Largest differences between what we make of their folder and what they do."""
    folder = work / model / "theirs" / name
    case, expected = chosen_case(name, model), np.load(folder / "expected.npz")
    backbone = load_backbone(str(work / model / "backbone"))
    imported = import_task(backbone, TASK, case.library, folder).model
    seen = outputs(imported, case, read_batch(work / model, 0))
    change = np.abs(expected["stepped"] - expected["logits"]).max()
    if change < LEAST_CHANGE:
        sys.exit(f"error: {model} {name}: training changed the logits by {change:.1e} only")
    return {key: float(np.abs(seen[key] - expected[key]).max()) for key in seen}


def write_ours(work: Path, model: str, name: str) -> None:
    case = chosen_case(name, model)
    folder = work / model / "ours" / name
    ours = shaken_model(work / model / "backbone", case)
    if case.library == "hf":
        export_folded(ours, TASK, folder)
    else:
        export_task(ours, TASK, case.library, folder, str(work / model / "backbone"))
    expected = outputs(ours, case, read_batch(work / model, 1))
    np.savez(folder / "expected.npz", **expected)


def run_torch(python: str, what: str, work: Path) -> None:
    subprocess.run([python, "-W", "ignore", str(TORCH_SIDE), what, str(work)], check=True)


def rows_of(work: Path) -> list[tuple[str, str, str, dict[str, float]]]:
    """Case, model, direction and differences of every comparison; our side of the work."""
    rows = []
    for model in MODELS:
        for name in CASES:
            case = chosen_case(name, model)
            if case.theirs is not None:
                rows.append((name, model, "theirs → ours", read_theirs(work, model, name)))
            if case.is_written:
                write_ours(work, model, name)
    return rows


def torch_rows(file: Path, is_newer: bool = False) -> list[tuple[str, str, str, dict[str, float]]]:
    """What the other side found in what we wrote."""
    found = json.loads(file.read_text())
    direction = f"ours → {found['version'] if is_newer else 'theirs'}"
    return [
        (*reversed(key.split("/", 1)), direction, differences)
        for key, differences in found["differences"].items()
    ]


def newer_rows(work: Path) -> list[tuple[str, str, str, dict[str, float]]]:
    """What we make of the backbones that the newer transformers wrote."""
    rows = []
    for model in MODELS:
        folder = work / model / "newer"
        expected = np.load(folder / "expected.npz")
        seen = TaskModel(load_backbone(str(folder)), (TASK,))(read_batch(work / model, 0)).numpy()
        difference = float(np.abs(seen - expected["logits"]).max())
        rows.append((BACKBONE, model, f"{expected['version']} → ours", {"logits": difference}))
    return rows


def print_table(rows: list[tuple[str, str, str, dict[str, float]]]) -> bool:
    """Prints the table; returns whether all of it is below the limit."""
    columns = f"{'library and method':<28} {'model':<6} {'direction':<15}"
    print(f"{columns} {'logits':>9} {'trained':>9} {'tokens':>7}")
    worst = 0.0
    for name, model, direction, found in rows:
        shown = dict(found)
        if name != BACKBONE and not chosen_case(name, model).trains_alike:
            shown.pop("stepped", None)
        worst = max(worst, *shown.values())
        trained = f"{shown['stepped']:9.1e}" if "stepped" in shown else f"{'–':>9}"
        tokens = ("other" if shown["tokens"] else "same") if "tokens" in shown else "–"
        print(f"{name:<28} {model:<6} {direction:<15} {shown['logits']:9.1e} {trained} {tokens:>7}")
    print(
        f"largest: {worst:.1e}, limit {LIMIT:.0e}; trained: after {STEPS} steps of SGD on each"
        " side, – where the other library trains something else; tokens: of greedy decoding"
    )
    return worst < LIMIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="interpreter with torch, peft and adapters")
    parser.add_argument("--newer", help="another, with torch and transformers 5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run_torch(options.python, "make", work)
        rows = rows_of(work)
        run_torch(options.python, "check", work)
        rows += torch_rows(work / "differences.json")
        if options.newer:
            run_torch(options.newer, "newer", work)
            rows += torch_rows(work / "newer.json", is_newer=True) + newer_rows(work)
    order = [*CASES, BACKBONE]
    rows.sort(key=lambda row: (order.index(row[0]), list(MODELS).index(row[1]), row[2]))
    if not print_table(rows):
        sys.exit("error: a difference reaches the limit")


if __name__ == "__main__":
    main()
