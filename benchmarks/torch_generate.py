"""Answers by PyTorch, for `benchmarks.eval_peers`, in an environment of its own.

    python -m benchmarks.torch_generate generate BATCHES.npz --tokens 16

Hugging Face's T5 and its `generate`, greedily, each batch padded to its longest row. `products`:
matrix products and nothing else.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

from benchmarks.torch_train import multiply
from benchmarks.turns import multiply_answers, take_turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("generate", "products"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokens", type=int, default=1)
    parser.add_argument("--preset", default="t5-small", help="as the file has it")
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.what == "products":
        take_turns(multiply_answers(multiply, options.file))
        return
    with np.load(options.file) as data:
        inputs, sizes = data["inputs"], json.loads(str(data["sizes"]))
    config = T5Config(**sizes, vocab_size=32_128, decoder_start_token_id=0)
    model = T5ForConditionalGeneration(config).eval()
    batches = [
        torch.from_numpy(batch[:, : np.count_nonzero(batch, 1).max()]).long() for batch in inputs
    ]
    positions = int(np.count_nonzero(inputs)), inputs.size
    length = {"max_new_tokens": options.tokens, "min_new_tokens": options.tokens}

    def take_step() -> tuple[int, int]:
        with torch.no_grad():
            for ids in batches:
                mask = (ids != 0).long()
                model.generate(ids, attention_mask=mask, do_sample=False, num_beams=1, **length)
        return positions

    for _ in range(2):
        take_step()
    take_turns(take_step)


if __name__ == "__main__":
    main()
