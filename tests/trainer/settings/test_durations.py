"""Times in steps, epochs and per cent, and the steps they are."""

import dataclasses

import pytest
import yaml

from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun
from prep import UsageError, load_manifest
from trainer.batches.schedule import round_schedule
from trainer.parts import resolve_run
from trainer.run.folder import create_run
from trainer.settings.arguments import read_arguments
from trainer.settings.checks import check_config
from trainer.settings.durations import (
    DURATIONS,
    LISTS,
    Duration,
    count_durations,
    count_steps,
    describe_durations,
    parse_duration,
    with_durations,
)

BATCH = 4


@pytest.fixture
def read(small_dataset, tmp_path):
    """Settings from a command line, as written and resolved."""

    def read(*options):
        places = [f"--dataset={small_dataset}", f"--run={tmp_path / 'run'}"]
        config = read_arguments([*places, f"--data.batch_size={BATCH}", *options])
        return config, resolve_run(config)[0]

    return read


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        (7, 7, "steps"),
        ("10%", 10, "%"),
        ("2.5 per cent", 2.5, "%"),
        (" .5 Epochs ", 0.5, "epochs"),
        ("1 epoch", 1, "epochs"),
    ],
)
def test_what_is_a_time(text, amount, unit):
    assert parse_duration("training.log_every", text) == Duration(amount, unit)


@pytest.mark.parametrize("text", ["three", "-5%", "10 %%", "1e3 epochs", "5 steps of", "", "nan%"])
def test_what_is_none(text):
    with pytest.raises(
        UsageError, match=r"training\.log_every: expected steps such as 500, a share"
    ):
        parse_duration("training.log_every", text)


@pytest.mark.parametrize(
    ("amount", "unit", "epochs", "expected"),
    [
        (0, "steps", 3.0, 0),
        (9999, "steps", 3.0, 9999),
        (0, "%", 3.0, 0),
        (10, "%", 3.0, 30),
        (0.01, "%", 3.0, 1),
        (100, "%", 3.0, 301),
        (1, "epochs", 3.0, 101),  # three of them, the last at step 301
        (3, "epochs", 3.0, 301),
        (9, "epochs", 3.0, 301),
        (0.5, "epochs", 0.0, 301),  # of a task that never comes up
    ],
)
def test_counted_by_hand(amount, unit, epochs, expected):
    assert count_steps(Duration(amount, unit), 301, epochs) == expected


def test_all_of_them_counted_by_hand(tmp_path):
    """In a run of 1,000 steps, which are 4 epochs."""
    given = {
        "optimizer.warmup_steps": ("6%", 60),
        "optimizer.schedule_steps": ("[25%, 5 epochs, 2000]", [250, 1250, 2000]),
        "training.log_every": ("0.1 epochs", 25),
        "training.validate_every": ("10%", 100),
        "training.checkpoint_every": ("1 epoch", 250),
        "training.max_skipped_steps": ("0.5%", 5),
        "training.patience": ("1 epoch", 3),  # validations, at 100, 200 and 300
        "training.profile": ("1 epoch - 26%", "250-260"),
    }
    counted_ones = {f"{section}.{name}" for section, names in DURATIONS.items() for name in names}
    assert counted_ones | set(LISTS) == set(given)
    options = [f"--{name}={text}" for name, (text, _) in given.items()]
    config = read_arguments(["--dataset=data", f"--run={tmp_path}", *options])
    check_config(config)
    run = ResolvedRun("data", "run", ("a",), 0, ResolvedModel(), AdapterConfig())
    assert run.training.steps == 1000
    counted = count_durations(config, run, 4.0)
    assert counted == {name: expected for name, (_, expected) in given.items()}
    said = describe_durations(config, with_durations(run, counted), True)[0]
    assert "optimizer.schedule_steps 25%, 5 epochs, 2000 is steps 250, 1250, 2000" in said
    assert "training.patience 1 epoch is 3 validations; " in said
    assert "training.profile 1 epoch - 26% is steps 250-260" in said


def test_what_is_given_in_steps_stays(tmp_path):
    options = ("--optimizer.schedule_steps=80", "--training.patience=2", "--training.profile=7-9")
    config = read_arguments(["--dataset=data", f"--run={tmp_path}", *options])
    run = ResolvedRun("data", "run", ("a",), 0, ResolvedModel(), AdapterConfig())
    counted = count_durations(config, run, 0.0)
    assert counted["optimizer.schedule_steps"] == 80
    assert (counted["training.patience"], counted["training.profile"]) == (2, "7-9")
    assert describe_durations(config, with_durations(run, counted), True) == []


def test_a_run_of_epochs_may_say_so_where_its_steps_stand(read):
    config, settings = read("--training.steps=3 epochs", "--training.profile=50%-51%")
    _, same = read("--training.epochs=3")
    assert settings.training.steps == same.training.steps > 3
    assert settings.training.epochs == 3
    said = describe_durations(config, settings, True)[0]
    assert said.startswith(f"training.steps 3 epochs is {same.training.steps:,} steps; ")


def test_a_profile_that_ends_before_it_begins(read):
    with pytest.raises(UsageError, match=r"training\.profile: 60%-10% is steps 600-100 of 1000"):
        read("--training.profile=60%-10%")


def test_a_run_counts_them_and_its_config_holds_steps(read, small_dataset):
    config, settings = read(
        "--training.steps=20000",
        "--data.mixture=round",
        "--optimizer.warmup_steps=6%",
        "--training.validate_every=1 epoch",
        "--training.epochs_of=synthetic_choice",
        "--training.log_every=3",
    )
    written = yaml.safe_load((create_run(settings) / "config.yaml").read_text())
    assert written["optimizer"]["warmup_steps"] == 1200
    assert written["training"]["log_every"] == 3
    number = settings.tasks.index("synthetic_choice")
    examples = load_manifest(small_dataset).task("synthetic_choice").split("train").examples
    seen = (round_schedule(0, 3, 0, 20000) == number).sum() * BATCH / examples
    every = written["training"]["validate_every"]
    assert every == pytest.approx(20000 / seen, abs=1)
    assert describe_durations(config, settings, True) == [
        f"optimizer.warmup_steps 6% is 1,200 steps; training.validate_every 1 epoch is {every:,} "
        "steps"
    ]


def test_epochs_of_a_run_of_epochs_divide_it(read):
    _, settings = read("--training.epochs=3", "--training.checkpoint_every=1 epoch")
    steps, every = settings.training.steps, settings.training.checkpoint_every
    assert -(-steps // every) == 3


def test_a_run_that_is_extended_keeps_its_warmup(read):
    start = ("--optimizer.schedule=constant", "--optimizer.warmup_steps=10%")
    _, settings = read(*start, "--training.steps=100")
    checkpoints = create_run(settings) / "checkpoints"
    checkpoints.mkdir()
    for ending in ("index", "data-00000-of-00001"):
        (checkpoints / f"ckpt-5.{ending}").touch()
    config, longer = read(*start, "--training.steps=900", "--training.validate_every=10%")
    assert longer.optimizer.warmup_steps == settings.optimizer.warmup_steps == 10
    assert longer.training.validate_every == 90
    assert "warmup_steps 10% is 10 steps, as the run began;" in describe_durations(
        config, longer, False
    )[0]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--training.log_every=0%", "training.log_every must be above 0"),
        ("--training.checkpoint_every=0 epochs", "training.checkpoint_every must be above 0"),
        ("--training.validate_every=101%", "training.validate_every must be at most 100%"),
        ("--optimizer.warmup_steps=half", "optimizer.warmup_steps: expected steps such as 500"),
        ("--optimizer.warmup_steps=-1", "optimizer.warmup_steps must be 0 or more, got -1"),
        ("--training.log_every=1.5", "training.log_every: expected steps such as 500"),
        ("--training.steps=10%", "10%: a run cannot be as long as a share of itself; expected"),
        ("--training.steps=sixty", "steps: expected steps such as 500, or epochs such as"),
        ("--training.steps=0 epochs", "training.steps must be above 0, got 0 epochs"),
        ("--training.patience=long", "training.patience: expected validations such as 5"),
        ("--training.max_skipped_steps=0%", "training.max_skipped_steps must be above 0"),
        ("--training.profile=10%", "training.profile: expected the first and the last step"),
        ("--training.profile=9-7", "training.profile: expected the first and the last step"),
        ("--training.profile=1-half", "training.profile: expected steps such as 500"),
        ("--optimizer.schedule_steps=[0%, 9]", "schedule_steps must be above 0, got 0%"),
        ("--optimizer.schedule_steps=[half]", "schedule_steps: expected steps such as 500"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path, option, message):
    config = read_arguments(["--dataset=nowhere", f"--run={tmp_path}", option])
    with pytest.raises(UsageError, match=message):
        check_config(config)


def test_epochs_of_a_task_that_is_not_there(read):
    with pytest.raises(UsageError, match=r"training\.epochs_of 'rte' is unknown"):
        read("--training.epochs_of=rte", "--training.log_every=1 epoch")


def test_shares_that_lack_a_task_are_refused_where_epochs_are_counted(read):
    with pytest.raises(UsageError, match=r"data\.weights leaves out synthetic_similarity"):
        read(
            "--data.mixture=weights",
            "--data.weights={synthetic_entailment: 1, synthetic_choice: 1}",
            "--training.log_every=1 epoch",
        )


def test_a_resolved_run_is_a_run_again(read):
    _, settings = read("--training.validate_every=25%")
    again = dataclasses.replace(settings)
    assert again == settings and isinstance(again.training.validate_every, int)
