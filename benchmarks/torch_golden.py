"""Golden numbers from PyTorch's T5, and the check that PyTorch loads what we save.

Runs in an environment of its own, since the project itself never needs torch:

    python -m venv torch-environment
    torch-environment/bin/pip install torch==2.13.0 transformers==4.57.6 safetensors
    torch-environment/bin/python benchmarks/torch_golden.py --write tests/adapters_tf/golden
    torch-environment/bin/python benchmarks/torch_golden.py --check FOLDER

`--write` makes one folder per tiny T5: the checkpoint as `save_pretrained` writes it and
`expected.npz` with inputs, logits, loss and greedy output. `--check` loads FOLDER (written by
`adapters_tf.save_backbone`), which must hold an `expected.npz` with `input_ids`,
`attention_mask`, `decoder_input_ids` and the `logits` TensorFlow computed.

Shapes: B batch, S source length, T target length, V vocabulary.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

B, S, T = 4, 24, 10
GENERATED = 12
SEEDS = 400
IGNORED_LABEL = -100
# Few buckets and a short maximum distance, so that S = 24 reaches the logarithmic buckets; heads
# times head width differs from the model width, and the decoder's depth from the encoder's, so
# that no two shapes agree by chance.
SIZES = {
    "vocab_size": 96,
    "d_model": 24,
    "d_kv": 8,
    "d_ff": 40,
    "num_heads": 4,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "decoder_start_token_id": 0,
}
MODELS = {
    "t5": {"feed_forward_proj": "relu", "tie_word_embeddings": True},
    "t5_v1_1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
}


def random_model(variant: dict, seed: int) -> T5ForConditionalGeneration:
    """A T5 whose every weight, layer norms included, is random and not small."""
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(T5Config(**SIZES, **variant)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "decoder.final_layer_norm.weight":
                # Large, so that the best two logits are seldom close.
                parameter.copy_(5 + torch.randn_like(parameter))
            elif name.endswith("layer_norm.weight"):
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
            elif "relative_attention_bias" in name or name == "shared.weight":
                parameter.copy_(torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) * parameter.shape[1] ** -0.5)
    return model


def random_batch(seed: int) -> dict[str, torch.Tensor]:
    """Rows of varying lengths: input_ids and attention_mask [B, S], labels [B, T]."""
    generator = torch.Generator().manual_seed(seed)
    high = SIZES["vocab_size"]
    input_ids = torch.randint(2, high, (B, S), generator=generator)
    labels = torch.randint(2, high, (B, T), generator=generator)
    input_lengths, label_lengths = torch.tensor([S, 17, 5, 1]), torch.tensor([3, T, 1, 6])
    attention_mask = (torch.arange(S)[None] < input_lengths[:, None]).long()
    input_ids = input_ids * attention_mask
    labels[torch.arange(T)[None] >= label_lengths[:, None]] = IGNORED_LABEL
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


@torch.no_grad()
def expectations(model: T5ForConditionalGeneration, batch: dict) -> dict[str, np.ndarray]:
    """Inputs and what PyTorch makes of them, as numpy arrays by name."""
    outputs = model(**batch)
    greedy = model.generate(
        batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=GENERATED,
        num_beams=1,
        do_sample=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    tokens = greedy.sequences[:, 1:]
    top = torch.stack(greedy.scores, 1).topk(2).values
    has_ended = (tokens == 1).cumsum(1) - (tokens == 1).long() > 0
    margins = (top[..., 0] - top[..., 1])[~has_ended]
    padded = torch.zeros((B, GENERATED), dtype=torch.long)
    padded[:, : tokens.shape[1]] = tokens
    return {
        "input_ids": batch["input_ids"].numpy().astype(np.int32),
        "attention_mask": batch["attention_mask"].numpy().astype(np.int32),
        "labels": batch["labels"].numpy().astype(np.int32),
        "logits": outputs.logits.numpy(),
        "loss": outputs.loss.numpy(),
        "greedy": padded.numpy().astype(np.int32),
        "smallest_margin": margins.min().numpy(),
    }


def variety(expected: dict[str, np.ndarray]) -> int:
    """How telling a greedy output is: its distinct tokens, 0 with a near tie or no early end."""
    greedy = expected["greedy"]
    has_ended = (greedy == 1).any(axis=1)
    if has_ended.all() or not has_ended.any() or expected["smallest_margin"] < 0.005:
        return 0
    return sum(len(set(row.tolist())) for row in greedy)


def write(folder: Path) -> None:
    for name, variant in MODELS.items():
        scores = [
            variety(expectations(random_model(variant, seed), random_batch(seed)))
            for seed in range(SEEDS)
        ]
        seed = int(np.argmax(scores))
        model = random_model(variant, seed)
        expected = expectations(model, random_batch(seed))
        model.save_pretrained(folder / name)
        np.savez_compressed(folder / name / "expected.npz", **expected)
        print(f"{name}: seed {seed}, loss {expected['loss']:.4f}, greedy\n{expected['greedy']}")


@torch.no_grad()
def check(folder: Path) -> None:
    model, report = T5ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    problems = {kind: keys for kind, keys in report.items() if keys}
    print(f"missing, unexpected, mismatched, errors: {problems or 'none'}")
    expected = np.load(folder / "expected.npz")
    inputs = ("input_ids", "attention_mask", "decoder_input_ids")
    outputs = model.eval()(**{name: torch.tensor(expected[name]).long() for name in inputs})
    difference = float(np.abs(outputs.logits.numpy() - expected["logits"]).max())
    print(f"largest difference in logits: {difference:.2e} over {expected['logits'].shape}")
    if problems or difference > 1e-4:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", type=Path, help="folder for the golden checkpoints")
    mode.add_argument("--check", type=Path, help="folder written by save_backbone")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write)
    else:
        check(arguments.check)


if __name__ == "__main__":
    main()
