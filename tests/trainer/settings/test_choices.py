"""Words that a setting may be, told at reading, are those that the modules take."""

import subprocess
import sys

import pytest

from adapters_tf.model.frozen_storage import FROZEN_DTYPES
from adapters_tf.model.heads import POOLINGS
from adapters_tf.model.task_model import ROUTINGS
from adapters_tf.runtime.dropout import DROPOUTS
from adapters_tf.runtime.strategy import KINDS, PRECISIONS
from prep import UsageError
from trainer.balancing.registry import BALANCINGS
from trainer.optimizers.learning_rate import SCHEDULES
from trainer.optimizers.registry import OPTIMIZERS
from trainer.settings.arguments import read_arguments
from trainer.settings.choices import CHOICES
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
