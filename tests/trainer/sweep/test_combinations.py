"""What a sweep goes through, and what its folders are called."""

import pytest

from prep import UsageError
from trainer.__main__ import main
from trainer.sweep.combinations import read_sweep, words_of_runs


def test_every_combination_has_a_folder_and_options():
    members = read_sweep("{seed: [0, 1], adapters.method: [lora, 'lora,ia3'], data.cap: [10]}")
    assert [one.name for one in members] == [
        "seed=0,method=lora,cap=10",
        "seed=0,method=lora,ia3,cap=10",
        "seed=1,method=lora,cap=10",
        "seed=1,method=lora,ia3,cap=10",
    ]
    assert members[1].options() == ["--seed=0", "--adapters.method=lora,ia3", "--data.cap=10"]
    assert {one.group() for one in members} == {
        "adapters.method lora, data.cap 10",
        "adapters.method lora,ia3, data.cap 10",
    }


def test_values_may_be_settings_themselves_and_names_stay_apart():
    members = read_sweep("adapters.settings: [{lora: {rank: 4}}, {'lora': {'rank': '4'}}, 'a/b']")
    names = [one.name for one in members]
    assert len(set(names)) == 3 and not any("/" in name or " " in name for name in names)
    assert members[0].options() == ['--adapters.settings={"lora": {"rank": 4}}']
    assert read_sweep("seed: [0, 1]")[0].group() == "all"
    # A number that tells two apart is no third one's name.
    assert [one.name for one in read_sweep("a: [x, 'x!', 'x,2']")] == ["a=x", "a=x,2", "a=x,2,2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{seed: [0", "is not YAML"),
        ("seed", "expected settings with their values"),
        ("{}", "expected settings with their values"),
        ("seed: 3", "seed: expected a list of values"),
        ("seed: []", "seed: expected a list of values"),
        ("seed: [1, 2, 1]", "a value is there twice in 1, 2, 1"),
        ("run: [a, b]", "has one folder"),
        ("sweep: [1]", "the sweep's own"),
        ("{seed: [0], seed: [1]}", "'seed' is there twice"),
        ("seed: [2020-01-01]", "seed: datetime.date.* is read as a date; expected numbers, texts"),
        ("a: [&x [*x]]", "holds itself"),
        ("", "expected settings with their values"),
        (f"seed: {list(range(40))}\ndata.cap: {list(range(30))}", "1,200 runs"),
    ],
)
def test_what_is_no_sweep_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_sweep(text)


def test_jobs_are_of_a_sweep():
    with pytest.raises(UsageError, match="--jobs 2 goes with --sweep"):
        main(["--jobs", "2"])


def test_runs_are_given_all_but_what_is_the_sweeps():
    words = ["--config", "a.yaml", "--run", "x", "--sweep={seed: [1]}", "--jobs", "2", "--run=y"]
    assert words_of_runs([*words, "--seed=3"]) == ["--config", "a.yaml", "--seed=3"]
