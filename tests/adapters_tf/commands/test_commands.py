"""`python -m adapters_tf`: export, import and list, on a run folder of a tiny model."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file
from transformers import T5Tokenizer

from adapters_tf import TaskModel, load_backbone, load_run, load_task, task_tensors
from adapters_tf.__main__ import main as adapters_command
from adapters_tf.errors import run_command
from adapters_tf.interop.folding import NOT_UNIGRAM, export_tokenizer
from adapters_tf.runs.config import read_config
from adapters_tf.runs.loading import build_model
from prep import Vocabulary

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
SENTINELS = 10


def main(argv):
    return run_command(adapters_command, argv)


@pytest.fixture(scope="module")
def run(make_run):
    return make_run("lora", {"lora": {"rank": 2, "targets": ["q", "wo"]}})


def fails(capsys, *argv):
    code = main([str(part) for part in argv])
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return code, error


def test_tasks_are_merged_into_a_folder_of_their_own(run, tmp_path, capsys):
    out = tmp_path / "both"
    command = f"merge --run {run} --tasks rte,cola --weights 3,1 --out {out}"
    assert main(command.split()) == 0
    model = load_run(run).model
    ours = [task_tensors(model, task) for task in ("rte", "cola")]
    merged = load_file(str(out / "adapter_model.safetensors"))
    assert merged.keys() == ours[0].keys()
    for path, tensor in merged.items():
        expected = 0.75 * ours[0][path] + 0.25 * ours[1][path]
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-6)
    load_task(model, "rte", out)
    assert json.loads((out / "adapter_config.json").read_text())["task"] == "both"
    # LoRA's B starts at zero for all tasks, A does not: TIES trims both by their size.
    assert main([*command.split(), "--how", "ties", "--density", "0.5"]) == 0
    ties = load_file(str(out / "adapter_model.safetensors"))
    assert any(np.any(ties[path] != merged[path]) for path in merged)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("--tasks rte,coal", "did you mean 'cola'"),
        ("--tasks rte,cola --how tie", "there is no 'tie'; did you mean 'ties'?"),
        ("--tasks rte,cola --weights 1,x", "expected numbers such as 1,1,2"),
        ("--tasks rte,cola --weights 1", "2 adapters need as many weights"),
    ],
)
def test_merges_that_cannot_be(run, tmp_path, capsys, extra, message):
    code, error = fails(capsys, "merge", "--run", run, "--out", tmp_path / "x", *extra.split())
    assert code == 2 and message in error
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("library", ["peft", "adapterhub"])
def test_out_and_in_again_gives_the_same_outputs(run, sentences, tmp_path, capsys, library):
    out, back = tmp_path / "out", tmp_path / "back"
    export = f"export --run {run} --task cola --format {library} --out {out}"
    # AdapterHub has no LoRA on o, and this run has none either.
    assert main(export.split()) == 0
    assert "weights of step 7" in capsys.readouterr().out
    read = f"import --run {run} --task mine --format {library} --from {out} --out {back}"
    assert main(read.split()) == 0
    model = load_run(run).model
    expected = model(sentences).numpy()
    again = build_model(read_config(run))
    load_task(again, "cola", back)
    np.testing.assert_array_equal(again(sentences).numpy(), expected)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("lora", {"lora": {"rank": 2, "targets": ["q", "o", "wi", "wo"]}}),
        ("dora", {"dora": {"rank": 2}}),
        ("ia3,layer_norm", {}),
    ],
)
def test_a_folded_model_is_a_plain_t5_with_the_same_outputs(
    make_run, sentences, tmp_path, method, settings
):
    run = make_run(method, settings)
    assert main(f"export --run {run} --task cola --format hf --out {tmp_path}/t5".split()) == 0
    expected = load_run(run).model(sentences).numpy()
    plain = TaskModel(load_backbone(f"{tmp_path}/t5"), ("a", "b"))(sentences).numpy()
    np.testing.assert_allclose(plain, expected, atol=1e-4)
    start = TaskModel(load_backbone(str(GOLDEN / "t5")), ("a", "b"))(sentences).numpy()
    assert np.abs(plain - start).max() > 0.1


def test_its_tokenizer_gives_the_ids_of_the_dataset(run, dataset, tmp_path):
    assert main(f"export --run {run} --task rte --format hf --out {tmp_path}/t5".split()) == 0
    tokenizer = T5Tokenizer.from_pretrained(tmp_path / "t5")
    vocabulary = Vocabulary(dataset / "spiece.model", SENTINELS)
    assert len(tokenizer) == vocabulary.size
    for text in ("red green  blue.", "yes <extra_id_0> no <extra_id_3>", " 1 2", "unknown é", ""):
        assert tokenizer(text).input_ids == [*vocabulary.encode(text), 1], text


def test_a_vocabulary_that_transformers_5_would_misread_is_pointed_out(make_dataset, tmp_path):
    """It takes every spiece.model for a unigram one, and gives other ids without a word."""
    for kind, expected in (("bpe", (NOT_UNIGRAM,)), ("unigram", ())):
        folder = tmp_path / kind
        folder.mkdir()
        sha256 = hashlib.sha256((make_dataset(folder, kind) / "spiece.model").read_bytes())
        assert export_tokenizer(str(folder), sha256.hexdigest(), tmp_path / "out") == expected


def test_no_dataset_no_tokenizer_and_it_says_so(run, tmp_path, capsys):
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    config = yaml.safe_load((moved / "config.yaml").read_text())
    (moved / "config.yaml").write_text(yaml.safe_dump({**config, "dataset": "nowhere"}))
    assert main(f"export --run {moved} --task rte --format hf --out {tmp_path}/t5".split()) == 0
    assert "note: no tokenizer files" in capsys.readouterr().out
    assert not (tmp_path / "t5" / "spiece.model").exists()


def test_another_vocabulary_is_refused(run, tmp_path, capsys):
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    config = yaml.safe_load((moved / "config.yaml").read_text())
    (moved / "config.yaml").write_text(yaml.safe_dump({**config, "vocabulary_sha256": "0"}))
    code, error = fails(
        capsys, *f"export --run {moved} --task rte --format hf --out {tmp_path}/t5".split()
    )
    assert code == 1 and "is not the one the run was trained with" in error


def test_bottlenecks_cannot_be_folded(make_run, tmp_path, capsys):
    run = make_run("houlsby", {"houlsby": {"reduction_factor": 4}})
    code, error = fails(
        capsys, *f"export --run {run} --task rte --format hf --out {tmp_path}/t5".split()
    )
    assert code == 2 and "'bottleneck' adds layers" in error and "lora, ia3, layer_norm" in error


def test_list_names_every_task(run, capsys):
    assert main(["list", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r".*: lora on .*t5$", lines[0])
    size = (run / "adapters" / "rte" / "adapter_model.safetensors").stat().st_size
    assert "rte" in lines[1] and f"{size:,} bytes" in lines[1] and "parameters" in lines[1]
    assert "cola" in lines[2] and "not written yet" in lines[2]


def test_other_settings_than_the_runs_are_refused(run, tmp_path, capsys):
    folder = GOLDEN / "interop" / "t5" / "peft-lora-rslora"
    common = f"--run {run} --task a --format peft --out {tmp_path}/a"
    code, error = fails(capsys, *f"import --from {folder} {common}".split())
    assert code == 2 and "rank_stabilised False, not True" in error
    folder = GOLDEN / "interop" / "t5" / "peft-ia3"
    code, error = fails(capsys, *f"import --from {folder} {common}".split())
    assert code == 2 and "these are 'ia3'; import them with --backbone" in error
    assert not (tmp_path / "a").exists()


def test_mistakes_are_one_line_with_an_exit_code(run, tmp_path, capsys):
    out = f"--out {tmp_path}/out"
    for line, expected_code, part in (
        (f"export --run {run} --task colla --format peft {out}", 2, "did you mean 'cola'"),
        (
            f"export --run {run} --task cola --format peff {out}",
            2,
            "there is no 'peff'; did you mean 'peft'?",
        ),
        (f"export --run {run} --task cola --format peft --ot x {out}", 2, "unknown option --ot"),
        ("export --task a --format peft", 2, "required"),
        (f"export --run nowhere --task a --format peft {out}", 1, "is no run folder"),
        (f"import --backbone {GOLDEN}/t5 --from {run} --task a --format peft {out}", 1, "holds no"),
        ("list nowhere", 1, "is no run folder"),
        ("exprt", 2, "did you mean 'export'?"),
    ):
        code, error = fails(capsys, *line.split())
        assert (code, part in error) == (expected_code, True), error


def test_nothing_but_an_earlier_export_is_replaced(run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    for command in (
        f"export --run {run} --task rte --format peft --out",
        f"import --run {run} --task a --format peft --from {run} --out",
    ):
        for target in (tmp_path, tmp_path / "notes.txt"):
            code, error = fails(capsys, *command.split(), target)
            assert code == 2 and "holds something else" in error
    own = tmp_path / "own"
    shutil.copytree(run / "adapters" / "rte", own)
    code, _ = fails(capsys, *f"export --run {run} --task rte --format peft --out {own}".split())
    assert code == 2 and (own / "adapter_model.safetensors").is_file()
    again = f"export --run {run} --task rte --format peft --out {tmp_path}/out".split()
    assert main(again) == main(again) == 0
