"""Golden numbers of PyTorch's optimizers and Hugging Face's schedules.

Runs in an environment of its own, as `benchmarks/torch_golden.py` does:

    torch-environment/bin/python benchmarks/torch_optimizers.py tests/trainer/optimizers/golden.json

A matrix and a vector take five steps on the same gradients; of each schedule the rates at every
step are kept, from 0 to the one after the last.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import optimization

STEPS = 5
WARMUP, TOTAL = 4, 20


def step_through(make_optimizer, shape, seed):
    """Values after each of five steps, the start before them, and the gradients."""
    random = np.random.default_rng(seed)
    start = random.normal(size=shape).astype(np.float32)
    gradients = random.normal(size=(STEPS, *shape)).astype(np.float32)
    weight = torch.nn.Parameter(torch.tensor(start))
    optimizer = make_optimizer([weight])
    values = []
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        values.append(weight.detach().numpy().tolist())
    return {"start": start.tolist(), "gradients": gradients.tolist(), "values": values}


def adamw(weights):
    """With decay, which a run of ours applies to matrices alone."""
    decay = 0.1 if weights[0].ndim > 1 else 0.0
    return torch.optim.AdamW(weights, lr=0.1, eps=1e-8, weight_decay=decay)


def adafactor(weights):
    """As T5 was fine-tuned: a rate of its own, scaled by the weights."""
    return optimization.Adafactor(
        weights, lr=0.1, scale_parameter=True, relative_step=False, warmup_init=False
    )


def rates(make_schedule, **settings):
    """The rates of a schedule, as PyTorch's optimizer has them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make_schedule(optimizer, num_warmup_steps=WARMUP, **settings)
    seen = []
    for _ in range(TOTAL + 1):
        seen += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    return seen


def main() -> None:
    """Write the file."""
    laid_out = {"num_training_steps": TOTAL}
    golden = {
        "optimizers": {
            name: [step_through(make, shape, seed) for seed, shape in enumerate([(3, 4), (5,)])]
            for name, make in (("adamw", adamw), ("adafactor", adafactor))
        },
        "warmup": WARMUP,
        "total": TOTAL,
        "schedules": {
            "constant": rates(optimization.get_constant_schedule_with_warmup),
            "inverse_square_root": rates(optimization.get_inverse_sqrt_schedule),
            "linear": rates(optimization.get_linear_schedule_with_warmup, **laid_out),
            "cosine": rates(optimization.get_cosine_schedule_with_warmup, **laid_out),
            "cosine_with_restarts": rates(
                optimization.get_cosine_with_hard_restarts_schedule_with_warmup,
                **laid_out,
                num_cycles=2,
            ),
            "polynomial": rates(
                optimization.get_polynomial_decay_schedule_with_warmup,
                **laid_out,
                lr_end=0.25,
                power=3.0,
            ),
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
