"""The run folder: its config.yaml is written once and compared ever after."""

import dataclasses

import pytest
import yaml

from adapters_tf import WeightsError
from adapters_tf.runs.config import read_config
from adapters_tf.runs.sections import AdapterConfig, DataConfig, DistributionConfig
from adapters_tf.runs.settings import (
    ResolvedModel,
    ResolvedOptimizer,
    ResolvedRun,
    ResolvedTraining,
)
from prep import DataError, UsageError
from trainer.run.folder import check_run_folder, create_run, has_begun, keep_lengths
from trainer.settings.extending import schedule_ends


@pytest.fixture
def settings(tmp_path):
    return ResolvedRun(
        dataset="/data",
        run=str(tmp_path / "runs" / "mine"),
        tasks=("a", "b"),
        seed=0,
        model=ResolvedModel(),
        adapters=AdapterConfig(settings={"bottleneck": {"reduction_factor": 8}}),
    )


def begin(settings):
    """A run folder with a checkpoint; its name is all that is looked at."""
    folder = create_run(settings)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "ckpt-5.index").touch()
    return folder


def test_what_is_written_is_what_the_run_is(settings):
    folder = create_run(settings)
    assert read_config(folder) == settings
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    assert tree["versions"]["python"] and tree["commit"]
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def test_it_is_written_once(settings):
    """Where and with what a run began is kept; going on adds nothing."""
    folder = begin(settings)
    before = (folder / "config.yaml").read_bytes()
    again = dataclasses.replace(settings, training=ResolvedTraining(log_every=7))
    assert create_run(again) == folder
    assert (folder / "config.yaml").read_bytes() == before


def test_checkpoints_without_their_settings_belong_to_nobody(settings):
    folder = begin(settings)
    (folder / "config.yaml").unlink()
    with pytest.raises(DataError, match=r"config\.yaml is missing, and there are checkpoints"):
        check_run_folder(settings)
    assert not (folder / "config.yaml").exists()


def test_a_folder_that_is_not_there_belongs_to_anybody(settings):
    check_run_folder(settings)
    assert not has_begun(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"training": ResolvedTraining(log_every=1, checkpoint_every=2, max_skipped_steps=9)},
        {"training": ResolvedTraining(validate_every=3, validation_examples=4)},
        {"training": ResolvedTraining(steps_per_execution=4, jit_compile=True)},
        {"distribution": DistributionConfig("cpu", 4)},
        {"dataset": "/elsewhere/data"},  # of the same vocabulary
    ],
)
def test_what_does_not_reach_the_weights_may_change(settings, changes):
    begin(settings)
    check_run_folder(dataclasses.replace(settings, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed was 0, now 1"),
        ({"tasks": ("b", "a")}, "tasks was ['a', 'b'], now ['b', 'a']"),
        (
            {"training": ResolvedTraining(steps=2000)},
            "training.steps was 1000, now 2000 (its learning rate follows the schedule 'linear', "
            "which ends at step 1000; say how it goes on: --optimizer.schedule_steps "
            "'[1000, 2000]' to begin anew there, 2000 to take the rates of a schedule of so many "
            "steps)",
        ),
        ({"vocabulary_sha256": "f"}, "vocabulary_sha256 was '', now 'f'"),
        (
            {"adapters": AdapterConfig(settings={"bottleneck": {"reduction_factor": 4}})},
            "adapters.settings.bottleneck.reduction_factor was 8, now 4",
        ),
        (
            {"seed": 2, "optimizer": ResolvedOptimizer(learning_rate=0.5)},
            "optimizer.learning_rate was 0.0003, now 0.5; seed was 0, now 2",
        ),
    ],
)
def test_what_would_make_other_weights_is_refused(settings, changes, message):
    begin(settings)
    with pytest.raises(UsageError) as caught:
        check_run_folder(dataclasses.replace(settings, **changes))
    text = str(caught.value)
    assert f"run folder mine is of another configuration: {message}; use its settings" in text


def test_what_differs_has_a_line_each_of_a_terminal_s_width(settings):
    begin(settings)
    changes = {
        "seed": 1,
        "tasks": tuple(f"task_{number}" for number in range(40)),
        "training": ResolvedTraining(steps=2000, precision="mixed_bfloat16"),
        "data": DataConfig(batch_size=3, input_length=5, target_length=4, cap=7, temperature=2.0),
        "optimizer": ResolvedOptimizer(learning_rate=0.5, clip_norm=9.0),
    }
    with pytest.raises(UsageError) as caught:
        check_run_folder(dataclasses.replace(settings, **changes))
    first, *lines = "\n".join(caught.value.lines).splitlines()
    assert first == "run folder mine is of another configuration:"
    assert all(len(line) <= 80 for line in lines)
    assert "  optimizer.learning_rate was 0.0003, now 0.5" in lines
    assert any(line.startswith("  and ") and line.endswith(" more") for line in lines)
    assert any(line.startswith("  use its settings") for line in lines)
    assert len(lines) < 20


def test_what_may_change_is_said(settings):
    begin(settings)
    with pytest.raises(UsageError) as caught:
        check_run_folder(dataclasses.replace(settings, seed=1))
    assert "(what may change: where things lie, distribution.kind, " in str(caught.value)


@pytest.mark.parametrize("schedule", ["constant", "inverse_square_root"])
def test_a_run_whose_rates_have_no_end_may_be_extended(settings, schedule):
    settings = dataclasses.replace(settings, optimizer=ResolvedOptimizer(schedule=schedule))
    folder = begin(settings)
    longer = dataclasses.replace(settings, training=ResolvedTraining(steps=2000, log_every=3))
    check_run_folder(longer)
    create_run(longer)
    assert read_config(folder).training == ResolvedTraining(steps=2000)
    shorter = dataclasses.replace(settings, training=ResolvedTraining(steps=4))
    with pytest.raises(UsageError, match=r"training\.steps is 4, and run folder mine has 5 steps"):
        check_run_folder(shorter)


@pytest.mark.parametrize("ends", [[1000, 2000], 2000, [1000, 3000]])
def test_a_run_of_a_falling_rate_may_be_extended_where_it_is_said_how(settings, ends):
    folder = begin(settings)
    longer = dataclasses.replace(
        settings,
        training=ResolvedTraining(steps=2000),
        optimizer=ResolvedOptimizer(schedule_steps=ends),
    )
    check_run_folder(longer)
    create_run(longer)
    assert read_config(folder) == longer
    check_run_folder(longer)
    silent = dataclasses.replace(longer, optimizer=ResolvedOptimizer())
    if schedule_ends(longer) != (2000,):
        with pytest.raises(UsageError, match=r"optimizer\.schedule_steps was .*, now 0"):
            check_run_folder(silent)


def test_a_schedule_changes_with_the_length_of_a_run_alone(settings):
    begin(settings)
    same = dataclasses.replace(settings, optimizer=ResolvedOptimizer(schedule_steps=1000))
    check_run_folder(same)
    other = dataclasses.replace(settings, optimizer=ResolvedOptimizer(schedule_steps=5000))
    with pytest.raises(UsageError, match=r"optimizer\.schedule_steps was 0, now 5000"):
        check_run_folder(other)
    unimax = dataclasses.replace(
        settings, run=settings.run + "2", data=DataConfig(mixture="unimax")
    )
    begin(unimax)
    longer = dataclasses.replace(
        unimax,
        training=ResolvedTraining(steps=2000),
        optimizer=ResolvedOptimizer(schedule_steps=2000),
    )
    with pytest.raises(UsageError, match=r"unimax shares all steps out from the start"):
        check_run_folder(longer)


def test_where_things_lie_is_kept_up_to_date(settings):
    known = {"model.backbone": "1", "dataset.a": "2", "adapters.start_from": "3"}
    first = dataclasses.replace(
        settings,
        model=ResolvedModel("/models/t5"),
        adapters=AdapterConfig(start_from="/runs/old"),
        fingerprints=known,
    )
    folder = begin(first)
    before = yaml.safe_load((folder / "config.yaml").read_text())
    moved = dataclasses.replace(
        first,
        dataset="/new/data",
        model=ResolvedModel("/new/t5"),
        adapters=AdapterConfig(start_from="/new/old"),
    )
    check_run_folder(moved)
    create_run(moved)
    assert read_config(folder) == moved
    after = yaml.safe_load((folder / "config.yaml").read_text())
    assert {name: after[name] for name in ("commit", "versions")} == {
        name: before[name] for name in ("commit", "versions")
    }


def test_a_run_keeps_its_lengths_where_none_are_asked_for(settings):
    old = dataclasses.replace(settings, data=DataConfig(input_length=512, target_length=512))
    now = dataclasses.replace(settings, data=DataConfig(input_length=48, target_length=8))
    assert keep_lengths(now, DataConfig()) == now
    begin(old)
    assert keep_lengths(now, DataConfig()) == old
    assert keep_lengths(now, DataConfig(input_length=48)).data == DataConfig(
        input_length=48, target_length=512
    )


@pytest.mark.parametrize(("before", "now"), [(0, 9000), (9000, 0), (9000, 5000)])
def test_a_run_keeps_its_memory_limit_where_none_is_asked_for(settings, before, now):
    """The order of examples depends on it: another one is refused, and `auto` asks for none."""
    old, new = (
        dataclasses.replace(settings, data=DataConfig(input_length=8, memory_limit=limit))
        for limit in (before, now)
    )
    begin(old)
    assert keep_lengths(new, DataConfig(memory_limit="auto")) == old
    assert keep_lengths(new, DataConfig(memory_limit="9kB")) == new
    with pytest.raises(UsageError, match=rf"data\.memory_limit was {before}, now {now} \(0: all"):
        check_run_folder(new)


def test_a_run_of_an_earlier_version_was_read_whole(settings):
    folder = begin(dataclasses.replace(settings, data=DataConfig(memory_limit=0)))
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    assert tree["data"].pop("memory_limit") == 0
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    assert read_config(folder).data.memory_limit == 0


def test_a_run_of_an_earlier_version_learns_what_it_reads(settings):
    folder = begin(settings)
    create_run(dataclasses.replace(settings, fingerprints={"dataset.a": "2"}))
    assert read_config(folder).fingerprints == {"dataset.a": "2"}


def test_a_run_whose_bank_was_edited_is_not_trained_further(settings):
    create_run(dataclasses.replace(settings, bank_of="/runs/first"))
    with pytest.raises(UsageError, match="was made of /runs/first by add-task or by editing"):
        check_run_folder(settings)


def test_a_first_try_without_a_checkpoint_protects_nothing(settings):
    folder = create_run(settings)
    (folder / "frozen" / "fusion" / "rte").mkdir(parents=True)  # kept for the settings of then
    other = dataclasses.replace(settings, seed=7)
    check_run_folder(other)
    assert create_run(other) == folder and read_config(folder) == other
    assert not (folder / "frozen").exists() and not has_begun(other)


@pytest.mark.parametrize("file", ["best/ckpt-1.index", "adapters/a/x", "backbone/config.json"])
def test_what_was_learned_is_protected_wherever_it_lies(settings, file):
    path = create_run(settings) / file
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(UsageError, match="seed was 0, now 7"):
        check_run_folder(dataclasses.replace(settings, seed=7))


def test_a_config_that_cannot_be_read_is_said(settings):
    (create_run(settings) / "config.yaml").write_text("tasks: [")
    with pytest.raises(WeightsError, match=r"config.yaml cannot be parsed"):
        check_run_folder(settings)
