import pytest

from prep.__main__ import main
from prep.commands.options import spell_options
from prep.dataset.manifest import load_manifest
from prep.errors import run_command
from prep.tokens.vocabulary import Vocabulary


@pytest.fixture
def run(capsys):
    """Runs a command; returns its exit code, its output and its error line."""

    def call(*arguments):
        code = run_command(main, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def build(run, rte_data, small_vocabulary, tmp_path):
    def call(**changes):
        options = {
            "tasks": "rte",
            "data-dir": rte_data,
            "vocabulary": small_vocabulary,
            "out": tmp_path / "dataset",
            "workers": 1,
        }
        options |= changes
        return run("build", *(part for name in options for part in (f"--{name}", options[name])))

    return call


def test_build_says_what_it_did(build, tmp_path):
    code, out, _ = build()
    assert code == 0
    assert "note: rte: val.tsv is a part of the official training set" in out
    assert f"dataset folder: {tmp_path / 'dataset'}" in out
    assert load_manifest(tmp_path / "dataset").task("rte").split("train").examples == 30
    code, out, _ = build()
    assert code == 0
    assert "already built" in out


def test_build_tells_of_rejected_rows(build, rte_data):
    with (rte_data / "rte" / "train.tsv").open("a") as file:
        file.write("x\ta\tb\tmaybe\n")
    code, out, _ = build()
    assert code == 0
    assert "1 × unknown label; see rte/rejected.jsonl" in out


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"tasks": "rte,ret"}, 2, "unknown task 'ret'; did you mean 'rte'?"),
        ({"tasks": ","}, 2, "no task to build"),
        ({"tasks": "cola"}, 1, "missing cola/train.tsv"),
        ({"data-dir": "nowhere"}, 1, "no data folder at nowhere"),
        ({"vocabulary": "nowhere.model"}, 1, "no such file or folder: nowhere.model"),
        ({"vocabulary": __file__}, 1, "is not a SentencePiece model"),
        ({"max-input-length": 0}, 2, "--max-input-length is 0; it must be >= 2"),
    ],
)
def test_bad_input_is_one_line(build, tmp_path, changes, code, message):
    found, _, error = build(**changes)
    assert found == code
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "dataset").exists()


def test_a_task_that_is_like_none_is_told_in_a_line(build):
    error = build(tasks="xqz")[2]
    assert error.startswith("error: unknown task 'xqz'; the nearest of ")
    for part in ("`python -m prep tasks` lists all", "--tasks-file reads your own"):
        assert part in error
    assert len(error) < 200


def test_an_unknown_option_is_a_usage_error(run):
    code, _, error = run("build", "--tasks", "rte", "--owt", "x")
    assert code == 2
    assert error == "error: python -m prep build: unknown option --owt; did you mean '--out'?\n"


def test_inspect_shows_lengths_labels_and_an_example(build, run, tmp_path):
    build()
    code, out, _ = run("inspect", tmp_path / "dataset")
    assert code == 0
    words = str(tmp_path).split()
    assert all(len(line) <= 80 or words[0] in line for line in out.splitlines())
    out = " ".join(out.split())
    assert "rte: classification; answers entailment, not_entailment; scored by accuracy" in out
    assert "train: 30 examples" in out
    assert "labels: entailment 50.0%, not_entailment 50.0%" in out
    assert "targets: entailment" in out
    assert run("inspect", tmp_path / "dataset", "--task", "ret")[0] == 2
    assert out.count("example 0:") == 3
    shown = run("inspect", tmp_path / "dataset", "--task", "rte", "--records", "2")[1]
    assert shown.count("inputs: ") == 6


def test_verify_tells_a_sound_folder_from_a_damaged_one(build, run, tmp_path):
    build()
    folder = tmp_path / "dataset"
    assert run("verify", folder)[:2] == (0, f"{folder} is sound\n")
    shard = next(folder.glob("rte/train*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    code, out, error = run("verify", folder)
    assert code == 1
    assert shard.name in out
    assert error == f"error: {folder} is not sound: 1 problems\n"
    assert run("verify", tmp_path / "nowhere")[0] == 1


def test_tasks_lists_every_task_and_finds_files(run, rte_data):
    code, out, _ = run("tasks", "--data-dir", rte_data)
    assert code == 0
    assert "multiple_choice" in out
    assert "generated from code" in out
    assert f"found {rte_data / 'rte' / 'train.tsv'}" in " ".join(out.split())
    assert "missing cola/train.tsv" in out
    assert "--source tfds: glue/mrpc; --source hf: nyu-mll/glue/mrpc" in out


def test_train_vocabulary_on_tasks(run, tmp_path):
    path = tmp_path / "v.model"
    arguments = ("--tasks", "synthetic_choice", "--size", 300, "--out", path)
    code, out, _ = run("train-vocabulary", *arguments)
    assert code == 0
    vocabulary = Vocabulary(path)
    assert out == f"{path}: 300 pieces, {vocabulary.size} ids with sentinels\n"
    assert run("train-vocabulary", *arguments)[:2] == (0, out)  # the same bytes
    larger = ("train-vocabulary", "--tasks", "scan_simple", "--size", 5000, "--out", path)
    code, _, error = run(*larger)
    assert code == 2 and "another vocabulary; --force writes over it" in error
    assert Vocabulary(path).sha256 == vocabulary.sha256
    out = run(*larger, "--force")[1]
    assert out.endswith("ids with sentinels\nnote: not 5,000 pieces: these texts give no more\n")
    vocabulary = Vocabulary(path)
    assert vocabulary.size == vocabulary.pieces + 100
    assert (
        run("train-vocabulary", "--tasks", "synthetic_choice", "--size", 9, "--out", path)[0] == 2
    )


def test_build_tells_of_truncation_and_duplicates(build, run, tmp_path):
    code, out, _ = build(truncation="tail", **{"max-input-length": 8})
    assert code == 0
    assert "5 of them have the inputs of an example in train" in out
    shown = run("inspect", tmp_path / "dataset")[1]
    assert "truncation keeps the tail" in shown
    assert "truncated: 30 (100.0%)" in shown
    assert "duplicates: 5 examples have the inputs of one in train" in shown
    code, _, error = build(truncation="end", out=tmp_path / "other")
    assert (code, "--truncation: there is no truncation 'end'" in error) == (2, True)


def test_build_carves_and_limits(run, build, rte_data, small_vocabulary, tmp_path):
    arguments = ("--tasks", "rte", "--data-dir", rte_data, "--vocabulary", small_vocabulary)
    more = ("--carve", "dev=train:0.2", "--limit", "rte/train=10", "--few-shot", "dev=1")
    code, out, error = run("build", *arguments, *more, "--out", tmp_path / "d", "--workers", 1)
    assert (code, error) == (0, "")
    assert "note: rte: train is 10 of 24 rows" in out
    splits = load_manifest(tmp_path / "d").task("rte").splits
    assert {name: split.examples for name, split in splits.items()} == {
        "train": 10,
        "validation": 5,
        "test": 4,
        "dev": 2,
    }


def test_build_packs(run, rte_data, small_vocabulary, tmp_path):
    arguments = ("--tasks", "rte", "--data-dir", rte_data, "--vocabulary", small_vocabulary)
    arguments = (*arguments, "--out", tmp_path / "d", "--workers", 1, "--max-input-length", 128)
    code, out, error = run("build", *arguments, "--pack", "--pack-target-length", 24)
    assert (code, error) == (0, "")
    packing = load_manifest(tmp_path / "d").packing
    assert f"packed: {packing.rows} rows of 128 input and 24 target positions" in out
    assert "target positions by task: rte 24" in out
    assert run("verify", tmp_path / "d")[0] == 0
    assert "packed: " in run("inspect", tmp_path / "d")[1]
    code, _, error = run("build", *arguments, "--pack")
    assert (code, "packing differ" in error) == (2, True)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`max_input_length` is 1", "--max-input-length is 1"),
        ("`beam_options` go with `runner=beam`", "--beam-options go with --runner beam"),
        ("give it `limits=rte/train=N`", "give it --limit rte/train=N"),
        ("task 'out': max_input_length is 1", "task 'out': max_input_length is 1"),
        ("`source=hf` needs `pip install datasets`", "--source hf needs `pip install datasets`"),
    ],
)
def test_fields_are_spelled_as_options(message, expected):
    assert spell_options(message) == expected


def test_commands_name_options_and_never_fields(build, run, rte_data, small_vocabulary, tmp_path):
    build()
    folder = tmp_path / "dataset"
    code, _, error = build(**{"shard-records": 9})
    assert (code, "choose another --out, or replace it with --force\n" in error) == (2, True)
    error = run("inspect", folder, "--temperature", 0)[2]
    assert error == "error: --temperature is 0.0; it must be > 0\n"
    vocabulary = ("--size", 300, "--out", tmp_path / "v.model")
    error = run("train-vocabulary", "--tasks", "rte", *vocabulary)[2]
    assert error == "error: task 'rte' is read from files: say where with --data-dir\n"
    arguments = ("--tasks", "rte,scan_simple", "--data-dir", rte_data, "--workers", 1)
    packing = ("--vocabulary", small_vocabulary, "--pack", "--pack-target-length", 2)
    code, out, _ = run("build", *arguments, *packing, "--out", tmp_path / "packed")
    hint = "a packed row holds 2: raise --pack-target-length, or lower --max-target-length\n"
    assert (code, hint.strip() in " ".join(out.split())) == (1, True)
    assert "`pack_target_length`" in load_manifest(tmp_path / "packed").failed["scan_simple"]
    assert hint.strip() in " ".join(run("inspect", tmp_path / "packed")[1].split())
    assert hint in run("verify", tmp_path / "packed")[1]
