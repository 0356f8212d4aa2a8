"""AdapterHub's Fuse, Stack and Average on a tiny T5, as golden files of the test-suite.

    torch-environment/bin/python benchmarks/parity/torch_fusion.py tests/adapters_tf/golden

Writes FOLDER/fusion: three adapters, the fusion of them, and the logits of each composition, for
the model and the batch that benchmarks/torch_golden.py wrote to FOLDER/t5.
"""

import argparse
import logging
import shutil
import sys
from pathlib import Path

import adapters
import numpy as np
import torch
from adapters.composition import Average, Fuse, Stack
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))

from cases import DEVIATION
from torch_side import GOLDEN_ROWS, load_model, tidy_config

NAMES = ("a", "b", "c")
# Shares of 3/4 and 1/4: the library takes the mean of the weighted outputs, so that with its
# normalised weights, whose sum is 1, the sum of N outputs would be divided by N once too often.
WEIGHTS = (1.5, 0.5)
# Away from even scores: a fusion that ignored its queries would differ.
FUSION_DEVIATION = 0.3


def shaken(parameters: list[torch.nn.Parameter], deviation: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(deviation * torch.randn(parameter.shape, generator=generator))


def composed_model(base: Path) -> torch.nn.Module:
    """The golden T5 with three bottlenecks and a fusion, every weight away from its start."""
    torch.manual_seed(1)
    model = load_model(base)
    adapters.init(model)
    fields = {"mh_adapter": True, "output_adapter": True, "reduction_factor": 4}
    for name in NAMES:
        model.add_adapter(name, config=adapters.BnConfig(**fields, non_linearity="swish"))
    model.add_adapter_fusion(Fuse(*NAMES), "dynamic")
    own = dict(model.named_parameters())
    fusion = [p for name, p in own.items() if "adapter_fusion_layer" in name]
    single = [p for name, p in own.items() if ".adapters." in name]
    shaken(single, 2 * DEVIATION, 2)
    shaken(fusion, FUSION_DEVIATION, 3)
    return model.eval()


def fusion_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The fusion's weights by AdapterHub's own names, without the fusion's."""
    joined = ",".join(NAMES)
    return {
        name.replace(f".adapter_fusion_layer.{joined}", ""): parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if "adapter_fusion_layer" in name
    }


def write(folder: Path) -> None:
    stored = np.load(folder / "t5" / "expected.npz")
    batch = {
        "input_ids": torch.tensor(stored["input_ids"][:GOLDEN_ROWS]).long(),
        "attention_mask": torch.tensor(stored["attention_mask"][:GOLDEN_ROWS]),
        "labels": torch.tensor(stored["labels"][:GOLDEN_ROWS]).long(),
    }
    target = folder / "fusion"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    model = composed_model(folder / "t5")
    for name in NAMES:
        model.save_adapter(str(target / name), name, with_head=False)
        pickled = target / name / "pytorch_adapter.bin"
        save_file(torch.load(pickled, weights_only=True), target / name / "adapter.safetensors")
        pickled.unlink()
        (target / name / "pytorch_model_head.bin").unlink(missing_ok=True)
        tidy_config(target / name / "adapter_config.json", "t5")
    save_file(fusion_tensors(model), target / "fusion.safetensors")
    setups = {
        "fuse": Fuse(*NAMES),
        "stack": Stack("a", "b"),
        "average": Average("b", "c", weights=list(WEIGHTS), normalize_weights=False),
        "a": Stack("a"),
    }
    logits = {}
    for name, setup in setups.items():
        model.active_adapters = setup
        with torch.no_grad():
            logits[name] = model(**batch).logits.numpy()
    np.savez_compressed(target / "expected.npz", **logits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    write(arguments.folder)


if __name__ == "__main__":
    main()
