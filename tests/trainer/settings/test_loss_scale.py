"""What the tasks of a mixed batch count in its loss."""

import dataclasses
import math

import pytest

from prep import UsageError, load_manifest
from trainer.settings.config import DataConfig, HeadsConfig, RunConfig
from trainer.settings.loss_scale import check_loss_scale, loss_scales
from trainer.settings.resolving import resolve

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def resolved(small_dataset):
    """Settings of a run that mixes tasks, by what a scale is, and the manifest."""
    manifest = load_manifest(small_dataset)

    def make(scale, routing="example", heads=""):
        config = RunConfig(
            dataset=str(small_dataset),
            run="unused",
            data=DataConfig(routing=routing, loss_scale=scale),
            heads=HeadsConfig(tasks=heads),
        )
        return resolve(config, manifest), manifest

    return make


def test_scales_are_those_of_the_number_of_answers(resolved):
    settings, manifest = resolved("classes")
    words = math.log(manifest.vocabulary.size)
    assert loss_scales(settings, manifest) == {
        "synthetic_entailment": pytest.approx(1 / math.log(3)),
        "synthetic_similarity": pytest.approx(1 / words),
        "synthetic_choice": pytest.approx(1 / math.log(5)),
    }
    headed, _ = resolved("classes", heads="synthetic_similarity")
    assert loss_scales(headed, manifest)["synthetic_similarity"] == 1.0
    named, _ = resolved({"synthetic_choice": 3.0})
    assert list(loss_scales(named, manifest).values()) == [1.0, 1.0, 3.0]
    assert set(loss_scales(resolved("equal")[0], manifest).values()) == {1.0}


@pytest.mark.parametrize(
    ("scale", "routing", "said"),
    [
        ("class", "example", "did you mean 'classes'"),
        ({"synthetic_chose": 1.0}, "example", "did you mean 'synthetic_choice'"),
        ({"synthetic_choice": 0.0}, "example", "must be above 0"),
        ("classes", "batch", "use data.routing example"),
    ],
)
def test_what_cannot_be_is_refused(resolved, scale, routing, said):
    settings = dataclasses.replace(resolved(scale, routing)[0])
    with pytest.raises(UsageError, match=said):
        check_loss_scale(settings)
