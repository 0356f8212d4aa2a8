"""Where a place on this machine is meant, an address is refused, in every command."""

import pytest

from adapters_tf.__main__ import main as adapters
from adapters_tf.errors import ConfigurationError
from adapters_tf.files.local_paths import local_path
from adapters_tf.files.whole_folder import replaced_folder
from eval.__main__ import main as evaluate
from eval.predict import main as predict
from prep import UsageError
from prep.__main__ import main as prep
from prep.storage import local_path as local_path_of_prep
from trainer.__main__ import main as train

A = "gs://bucket/x"
S = "s3://bucket/x"  # where a run may lie in a bucket, it must be one of Google's
COMMANDS = [
    (adapters, ["list", S]),
    (adapters, ["export", f"--run={S}", "--task=t", "--format=hf", "--out=x"]),
    (adapters, ["export", "--run=x", "--task=t", "--format=hf", f"--out={A}"]),
    (adapters, ["import", "--format=peft", f"--from={A}", "--run=x", "--task=t", "--out=x"]),
    (adapters, ["merge", "--run=x", "--tasks=a,b", f"--out={A}"]),
    (adapters, ["bank", "--run=x", f"--add=t={A}", "--out=x"]),
    (adapters, ["embed", "--run=x", "--dataset=x", f"--out={A}.npz"]),
    (adapters, ["embed", "--run=x", "--dataset=s3://b/x", "--out=x.npz"]),
    (evaluate, [f"--run={S}"]),
    (evaluate, ["--run=x", "--dataset=s3://b/x"]),
    (predict, [f"--run={S}", "--task=t", "--text=x"]),
    (predict, ["--run=x", "--task=t", "--file=a.csv", f"--out={A}.csv"]),
    (evaluate, ["--run=x", f"--causal-qa={A}"]),
    (evaluate, ["compare", "a", "b", f"--out={A}"]),
    (evaluate, ["report", "a", f"--out={A}.html"]),
    (evaluate, ["submit", "--run=x", "--task=t", "--file=a.tsv", f"--out={A}"]),
    (evaluate, ["export-serving", "--run=x", f"--out={A}"]),
    (evaluate, ["serve", f"--model={A}"]),
    (train, ["quickstart", f"--run={A}"]),
    (train, ["--dataset=x", f"--run={S}"]),
    (train, ["--dataset=s3://b/x", "--run=x"]),
    (prep, ["build", "--tasks=rte", f"--tasks-file={A}", "--vocabulary=x", "--out=x"]),
    (prep, ["build", "--tasks=rte", "--vocabulary=x", "--out=s3://b/x"]),
    (prep, ["train-vocabulary", "--tasks=rte", "--size=9", f"--out={A}"]),
    (prep, ["inspect", "x", f"--html={A}"]),
    (prep, ["inspect", "s3://b/x"]),
    (prep, ["verify", "hdfs://b/x"]),
    (prep, ["stage", "s3://b/x", "gs://b/x"]),
]


@pytest.mark.parametrize(("program", "words"), COMMANDS, ids=[" ".join(c[1]) for c in COMMANDS])
def test_an_address_is_refused(program, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ConfigurationError, UsageError, SystemExit)) as caught:
        program(words)
    said = f"{caught.value}{capsys.readouterr().err}"
    assert "is an address; expected" in said or "cannot be read; expected" in said
    assert not list(tmp_path.iterdir())


def test_programs_are_told_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="is an address"), replaced_folder(A):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["gs://b", "s3:/b", "~/x", "a/b:c", "C:x", ".", "http://x"])
def test_both_packages_have_the_same_rule(text):
    try:
        ours = local_path(text)
    except ConfigurationError:
        with pytest.raises(UsageError):
            local_path_of_prep(text)
    else:
        assert local_path_of_prep(text) == ours
