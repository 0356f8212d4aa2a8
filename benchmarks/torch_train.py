"""Training steps of PyTorch, for `benchmarks.train_peers`, in an environment of its own.

    python -m benchmarks.torch_train adapterhub BATCHES.npz [--pad longest]
    python -m benchmarks.torch_train products PRODUCTS.json

`adapterhub`: Hugging Face's T5 with AdapterHub's adapters, one for each task, as its users train
them: a batch of one task, its adapter active, all else frozen, AdamW, gradients clipped. Rows are
padded to the longest of their batch (`longest`), or to the longest of all (`max_length`), as the
collator of Hugging Face does; `--cut` makes longer texts shorter first, as a tokenizer's
`max_length` does. `products`: matrix products and nothing else.
"""

import argparse
import json
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from benchmarks.turns import take_turns

NO_LABEL = -100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("adapterhub", "products"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--preset", default="t5-small")
    parser.add_argument("--reduction", type=int, default=32)
    parser.add_argument("--pad", choices=("longest", "max_length"), default="longest")
    parser.add_argument("--cut", type=int, help="the most tokens of an input or a target")
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.what == "products":
        take_turns(multiply(json.loads(options.file.read_text())))
    else:
        train(options)


def train(options: argparse.Namespace) -> None:
    """Take turns at training steps."""
    with np.load(options.file) as data:
        batches = Batches(data, options.pad, options.cut)
    model = make_model(json.loads(options.file.with_suffix(".model.json").read_text()), options)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-4)
    numbers = cycle(range(batches.count))

    def take_step() -> tuple[int, int]:
        task, inputs, labels, positions = batches.make(next(numbers))
        model.set_active_adapters(f"task{task}")
        outputs = model(input_ids=inputs, attention_mask=(inputs != 0).long(), labels=labels)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return positions

    for _ in range(3):
        take_step()
    take_turns(take_step)


def make_model(sizes: dict, options: argparse.Namespace) -> torch.nn.Module:
    """A T5 of random weights with an adapter for each task, of the places that ours have."""
    import adapters
    from transformers import T5Config, T5ForConditionalGeneration

    tasks = sizes.pop("tasks")
    model = T5ForConditionalGeneration(T5Config(**sizes))
    adapters.init(model)
    names = [f"task{number}" for number in range(tasks)]
    for name in names:
        config = adapters.DoubleSeqBnConfig(
            reduction_factor=options.reduction, non_linearity="swish"
        )
        model.add_adapter(name, config=config)
    model.train_adapter(names)
    return model.train()


class Batches:
    """Batches of rows, padded as asked.

    Args:
        data: `inputs` and `targets`, [N, B, L] padded with zeros, and `tasks`, [N].
        pad: `longest` of a batch, or `max_length`, that of all.
        cut: The most tokens of a row; None for all.
    """

    def __init__(self, data, pad: str, cut: int | None):
        self.inputs, self.targets = (data[name][:, :, :cut] for name in ("inputs", "targets"))
        self.tasks = data["tasks"]
        self.pad, self.count = pad, len(self.tasks)

    def make(self, number: int) -> tuple[int, torch.Tensor, torch.Tensor, tuple[int, int]]:
        """A batch: task, inputs, labels, and its positions with tokens and in all."""
        inputs, targets = (
            rows if self.pad == "max_length" else rows[:, : (rows != 0).sum(1).max()]
            for rows in (self.inputs[number], self.targets[number])
        )
        real = int((inputs != 0).sum() + (targets != 0).sum())
        labels = torch.from_numpy(np.where(targets != 0, targets, NO_LABEL)).long()
        positions = real, inputs.size + targets.size
        return int(self.tasks[number]), torch.from_numpy(inputs).long(), labels, positions


def multiply(products: list[list[int]]):
    """What multiplies matrices [G, M, K] by [G, K, N], as often as is said."""
    left, weights = {}, []
    for group, rows, inner, columns, count in products:
        key = group, rows, inner
        left.setdefault(key, torch.randn(group, rows, inner))
        weights += [(left[key], torch.randn(group, inner, columns)) for _ in range(count)]

    @torch.no_grad()
    def take_step() -> tuple[int, int]:
        for one, other in weights:
            # Of a group of one, a plain product: PyTorch takes longer over a batch of one.
            torch.mm(one[0], other[0]) if len(one) == 1 else torch.bmm(one, other)
        return 0, 1

    take_step()
    return take_step


if __name__ == "__main__":
    main()
