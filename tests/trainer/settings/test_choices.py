"""Words that a setting may be, told at reading, are those that the modules take."""

import dataclasses
import subprocess
import sys

import pytest

from adapters_tf.model.frozen_storage import FROZEN_DTYPES
from adapters_tf.model.heads import POOLINGS
from adapters_tf.model.task_model import ROUTINGS
from adapters_tf.runs.sections import BalancingConfig
from adapters_tf.runtime.dropout import DROPOUTS
from adapters_tf.runtime.strategy import KINDS, PRECISIONS
from prep import UsageError
from trainer.balancing.registry import BALANCINGS
from trainer.optimizers.learning_rate import SCHEDULES
from trainer.optimizers.registry import OPTIMIZERS
from trainer.settings.arguments import read_arguments
from trainer.settings.choices import CHOICES, USED_WITH, list_idle
from trainer.settings.config import RunConfig
from trainer.settings.mixture import MIXTURES
from trainer.settings.shapes import LENGTHS


def test_they_are_those_of_the_modules():
    assert {
        "model.dropout": DROPOUTS,
        "model.frozen_dtype": FROZEN_DTYPES,
        "data.lengths": LENGTHS,
        "data.mixture": tuple(MIXTURES),
        "data.routing": ROUTINGS,
        "heads.pooling": POOLINGS,
        "optimizer.name": tuple(OPTIMIZERS),
        "optimizer.schedule": tuple(SCHEDULES),
        "balancing.method": tuple(BALANCINGS),
        "training.precision": PRECISIONS,
        "distribution.kind": KINDS,
    } == CHOICES


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--training.precision=bfloat16", "did you mean 'mixed_bfloat16'?"),
        ("--optimizer.schedule=cosin", "did you mean 'cosine'?"),
        ("--optimizer.decay=cosin", "optimizer.schedule 'cosin' is unknown"),
        ("--model.frozen_dtype=bf16", "did you mean 'bfloat16'?"),
        ("--data.mixture=wieghts", "did you mean 'weights'?"),
        ("--distribution.kind=tpus", "did you mean 'tpu'?"),
    ],
)
def test_a_misspelt_option_is_told(option, said):
    with pytest.raises(UsageError) as caught:
        read_arguments([option])
    assert said in str(caught.value)


def test_it_takes_no_tensorflow():
    script = (
        "import sys, runpy\n"
        "sys.argv = ['trainer', '--training.precision=bf16', '--dataset=d', '--run=r']\n"
        "try: runpy.run_module('trainer', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_what_only_other_words_look_at_is_named():
    idle = {"method": "sum", "rate": 0.1, "alpha": BalancingConfig.alpha}
    config = dataclasses.replace(RunConfig(), balancing=BalancingConfig(**idle))
    assert list_idle(config) == [
        "balancing.rate is not used: it is of balancing.method uncertainty or gradnorm or famo, "
        "and that is sum"
    ]
    used = dataclasses.replace(config, balancing=BalancingConfig(**(idle | {"method": "famo"})))
    assert list_idle(used) == []


def test_what_settings_are_used_with_are_words_that_may_be():
    for chooser, words in USED_WITH.values():
        assert set(words) < set(CHOICES[chooser])
    assert list_idle(RunConfig()) == []
