"""A run opened for scoring, and the tasks that are chosen of it."""

import dataclasses
import json
import shutil

import pytest

from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun
from eval.choice import choose_tasks
from eval.session import open_session, open_vocabulary
from prep import DataError, SplitEntry, TaskEntry, UsageError, load_manifest

SPLIT = SplitEntry(1, (), 0, 0, 1, 1, (), 0, {})


@pytest.fixture
def settings():
    """A run of three tasks, one of which the dataset does not have."""
    return ResolvedRun(
        dataset="data",
        run="run",
        tasks=("grade", "colour", "gone"),
        seed=0,
        model=ResolvedModel(),
        adapters=AdapterConfig(),
    )


@pytest.fixture
def manifest(dataset):
    """The dataset of all kinds; one of its tasks has another split too."""
    manifest = load_manifest(dataset)
    colour = manifest.task("colour")
    colour = dataclasses.replace(colour, splits={**colour.splits, "test": SPLIT})
    return dataclasses.replace(manifest, tasks={**manifest.tasks, "colour": colour})


def test_all_tasks_of_the_run_that_have_the_split_are_scored(settings, manifest):
    def names(split):
        return [entry.name for entry in choose_tasks([], settings, manifest, split)]

    assert names("validation") == ["grade", "colour"]  # the run's order, not the dataset's
    assert names("test") == ["colour"]


def test_tasks_that_are_asked_for_come_in_that_order(settings, manifest):
    chosen = choose_tasks(["colour", "grade"], settings, manifest, "validation")
    assert chosen == [manifest.task("colour"), manifest.task("grade")]
    assert all(isinstance(entry, TaskEntry) for entry in chosen)


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [
        (["color"], "validation", "the run has no task 'color'; did you mean 'colour'?"),
        (["copy"], "validation", "the run has no task 'copy'"),
        (["gone"], "validation", "the dataset has no task 'gone'"),
        (["colour", "grade"], "test", "task 'grade' has no split 'test'"),
        ([], "tset", "no task of the run has a split 'tset'; did you mean 'test'?"),
    ],
)
def test_what_cannot_be_scored(settings, manifest, names, split, message):
    with pytest.raises(UsageError) as caught:
        choose_tasks(names, settings, manifest, split)
    assert message in str(caught.value)


def test_a_vocabulary_the_model_did_not_learn_is_refused(dataset, manifest):
    expected = manifest.vocabulary.sha256
    assert open_vocabulary(str(dataset), manifest, expected).size == manifest.vocabulary.size
    with pytest.raises(DataError, match=f"has vocabulary {expected[:12]}…, .* with 012345678901…"):
        open_vocabulary(str(dataset), manifest, "0123456789012345")


@pytest.mark.slow
def test_a_session_is_what_the_run_says(run_folder, dataset):
    session = open_session(str(run_folder))
    assert (session.dataset, session.run.step) == (str(dataset), 42)
    assert session.manifest == load_manifest(dataset)
    assert session.vocabulary.sha256 == session.run.settings.vocabulary_sha256
    evaluator = session.evaluator.answerer
    assert evaluator.model is session.run.model
    assert (evaluator.batch_size, evaluator.input_length) == (4, 6)
    assert open_session(str(run_folder), batch_size=2).evaluator.answerer.batch_size == 2


@pytest.mark.slow
def test_a_session_on_another_dataset(run_folder, dataset, tmp_path):
    """Of the run's vocabulary, with fewer tasks."""
    other = shutil.copytree(dataset, tmp_path / "other")
    document = json.loads((other / "dataset.json").read_text())
    del document["tasks"]["copy"]
    (other / "dataset.json").write_text(json.dumps(document))
    session = open_session(str(run_folder), dataset=str(other), checkpoint="none")
    assert (session.dataset, session.run.step) == (str(other), 0)
    assert list(session.manifest.tasks) == ["colour", "pick", "grade"]
