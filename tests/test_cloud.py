"""The cloud targets of the Makefile: what they would run, refused settings, Google's own tools."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gcs_emulator.server import Emulator
from tests.test_gcs_emulator import gsutil_settings, run_gcloud, run_tool

ROOT = Path(__file__).parents[1]
# Of each target, what has to be set for it.
TARGETS = {
    "create-bucket": "PROJECT REGION BUCKET",
    "tpu-create": "PROJECT ZONE TPU ACCELERATOR",
    "tpu-status": "PROJECT ZONE TPU",
    "tpu-install": "PROJECT ZONE TPU",
    "tpu-train": "PROJECT ZONE TPU BUCKET RUN_NAME CONFIG DATASET",
    "tpu-tail": "PROJECT ZONE TPU RUN_NAME",
    "tpu-fetch": "BUCKET RUN_NAME",
    "tpu-delete": "PROJECT ZONE TPU",
    "docker-build": "IMAGE",
    "docker-local-train": "IMAGE RUN_NAME CONFIG DATASET",
    "docker-push": "IMAGE",
    "cloud-train": "PROJECT REGION BUCKET IMAGE RUN_NAME CONFIG DATASET MACHINE",
    "run-local": "RUN_NAME CONFIG DATASET",
    "verify-model": "BUCKET RUN_NAME DATASET CHECKPOINT",
}
SETTINGS = {
    "PROJECT": "my-project",
    "ZONE": "us-west4-a",
    "REGION": "us-west4",
    "BUCKET": "bucket",
    "TPU": "tft",
    "IMAGE": "eu.pkg.dev/p/r/tft",
}


@pytest.fixture
def emulator(tmp_path):
    (tmp_path / "gcs").mkdir()
    with Emulator(tmp_path / "gcs").serving() as emulator:
        yield emulator


def make(target, *words, **settings):
    """Runs make without what a developer's own .env says."""
    given = [f"{name}={value}" for name, value in settings.items()]
    return subprocess.run(
        ["make", "-s", "-o", ".venv/installed", target, *words, *given],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )


def commands(target, **settings):
    done = make(target, "DRY_RUN=1", **{**SETTINGS, **settings})
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("target", [*TARGETS, "stage"])
def test_a_dry_run_prints_commands_and_runs_none(target, tmp_path):
    found = commands(target, RUN_NAME="never", VENV=str(tmp_path / "none"))
    assert found and not (ROOT / "runs" / "never").exists()
    known = ("docker", "gcloud", "gsutil", f"{tmp_path}/none/bin/python")
    assert all(shutil.which(words[0]) or words[0] in known for words in found)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_an_empty_setting_is_refused_by_name(target):
    for name in TARGETS[target].split():
        done = make(target, "DRY_RUN=1", **{**SETTINGS, name: ""})
        assert done.returncode == 2
        assert f"{name} is empty: set it in .env or say make {target} {name}=" in done.stderr


@pytest.mark.parametrize(("empty", "said"), [("DATASET", "DIR and DATASET"), ("BUCKET", "BUCKET")])
def test_staging_nothing_or_nowhere_is_refused_by_name(empty, said):
    done = make("stage", "DRY_RUN=1", **{**SETTINGS, empty: ""})
    assert done.returncode == 2 and f"error: make stage: {said}" in done.stderr


@pytest.mark.parametrize(
    ("accelerator", "runtime"),
    [
        ("v2-8", "tpu-ubuntu2204-base"),
        ("v4-8", "tpu-ubuntu2204-base"),
        ("v5litepod-8", "v2-alpha-tpuv5-lite"),
        ("v5p-8", "v2-alpha-tpuv5"),
    ],
)
def test_each_kind_of_tpu_has_its_runtime(accelerator, runtime):
    (words,) = commands("tpu-create", ACCELERATOR=accelerator, SPOT="1")
    assert f"--runtime-version={runtime}" in words and words[-1] == "--spot"
    assert "--spot" not in commands("tpu-create", ACCELERATOR=accelerator)[0]


def test_a_tpu_that_tensorflow_does_not_reach_is_refused():
    done = make("tpu-create", "DRY_RUN=1", **SETTINGS, ACCELERATOR="v6e-8")
    assert done.returncode == 2 and "TensorFlow does not reach v6e-8" in done.stderr
    assert commands("tpu-create", ACCELERATOR="v6e-8", RUNTIME="v2-alpha-tpuv6e")


def test_setup_of_a_tpu_goes_to_the_machine_that_is_named():
    assert commands("tpu-setup") == commands("tpu-install")


def test_a_printed_command_is_the_one_that_is_run(tmp_path):
    odd = ["printf", "%s|", "it's", "a b", "", "$HOME", 'say "x"']
    script = ROOT / "docker" / "say-and-do"
    done = subprocess.run([script, *odd], capture_output=True, text=True, check=True)
    said, _, ran = done.stdout.partition("\n")
    assert shlex.split(said) == odd and ran == "|".join(odd[2:]) + "|"


def test_training_in_a_container_gets_the_words_of_training():
    (words,) = commands(
        "cloud-train", GPU_TYPE="NVIDIA_L4", ARGS="--tasks rte,cola --training.steps 10"
    )
    pool = next(word for word in words if word.startswith("--worker-pool-spec="))
    assert "accelerator-type=NVIDIA_L4,accelerator-count=1,container-image-uri=eu." in pool
    arguments = next(word for word in words if word.startswith("--args="))
    # gcloud cuts at what stands between ^ and ^; a comma is part of a word.
    inside = arguments.removeprefix("--args=^;^").split(";")
    assert inside[:2] == ["-m", "trainer"]
    assert inside[-4:] == ["--tasks", "rte,cola", "--training.steps", "10"]
    assert "gs://bucket/runs/run" in inside


def test_gcloud_knows_every_flag(tmp_path):
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    for target in TARGETS:
        for words in commands(target, SPOT="1", GPU_TYPE="NVIDIA_L4"):
            if words[0] != "gcloud":
                continue
            line = " ".join(
                word if word.isprintable() and " " not in word else "x" for word in words
            )
            arguments = ["meta", "lint-gcloud-commands", f"--command-string={line}"]
            (found,) = json.loads(run_tool("gcloud", arguments, tmp_path))
            assert found["success"], (line, found["error_message"])


def test_a_bucket_is_made_and_not_made_twice(emulator, tmp_path):
    (words,) = commands("create-bucket")
    assert words[:2] == ["gcloud", "storage"]
    run_gcloud(emulator, words[2:], tmp_path)
    assert emulator.store.buckets == {"bucket": {}}
    with pytest.raises(AssertionError, match="409"):
        run_gcloud(emulator, words[2:], tmp_path)


def test_a_run_is_fetched_from_a_bucket(emulator, tmp_path):
    emulator.store.create_bucket("bucket")
    emulator.store.put("bucket", "runs/a run/best.json", b"{}")
    emulator.store.put("bucket", "runs/a run/adapters/rte/x", b"weights")
    if shutil.which("gsutil") is None:
        pytest.skip("gsutil is not installed")
    fetch = commands("tpu-fetch")[-1]
    words = [word.replace("runs/run", "runs/a run") for word in fetch[:-1]]
    words.remove("-m")  # the emulator's certificate is not handed to other processes
    (tmp_path / "here").mkdir()
    run_tool(
        "gsutil",
        [*words[1:], str(tmp_path / "here")],
        tmp_path,
        **gsutil_settings(emulator, tmp_path),
    )
    assert (tmp_path / "here" / "best.json").read_bytes() == b"{}"
    assert (tmp_path / "here" / "adapters" / "rte" / "x").read_bytes() == b"weights"


def test_a_dataset_is_staged_with_its_manifest_last(emulator, tmp_path):
    if shutil.which("gsutil") is None:
        pytest.skip("gsutil is not installed")
    emulator.store.create_bucket("bucket")
    folder = tmp_path / "set"
    (folder / "rte").mkdir(parents=True)
    (folder / "dataset.json").write_bytes(b"whole")
    (folder / "rte" / "train-0-of-1.tfrecord").write_bytes(b"rows")
    (folder / ".journal").write_bytes(b"of the build")
    *copies, verify = commands("stage", DIR=str(folder))
    assert verify[1:] == ["-m", "prep", "verify", "gs://bucket/glue"]
    seen = []
    for words in copies:
        # Without -m, as above.
        words = [str(ROOT / one) if one.startswith("docker/") else one for one in words[1:]]
        words = [one for one in words if one != "-m"]
        run_tool("gsutil", words, tmp_path, **gsutil_settings(emulator, tmp_path))
        seen.append(emulator.store.buckets["bucket"]["glue/dataset.json"].data)
    assert seen[0] == seen[1] != seen[2] == b"whole"
    found = emulator.store.buckets["bucket"]
    assert sorted(found) == ["glue/dataset.json", "glue/rte/train-0-of-1.tfrecord"]
    assert found["glue/rte/train-0-of-1.tfrecord"].data == b"rows"


def test_dockerfiles_have_no_fault():
    linter = ROOT / ".venv" / "bin" / "hadolint"
    if not linter.exists():
        pytest.skip("hadolint is not installed: it is for Linux on x86-64")
    files = sorted((ROOT / "docker").glob("*Dockerfile"))
    assert len(files) == 2
    done = subprocess.run([linter, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for file in files:
        text = file.read_text()
        assert "USER 1000" in text and "docker/install.sh /opt/tft" in text
        copied = re.findall(r"^COPY (\w\S*) ", text, re.MULTILINE)
        assert all((ROOT / name).exists() for name in copied)


def test_the_example_names_every_setting():
    text = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE))
    assert {name for names in TARGETS.values() for name in names.split()} <= named
    makefile = (ROOT / "docker" / "cloud.mk").read_text()
    assert all(f"$({name})" in makefile for name in named)


@pytest.mark.parametrize("kind", ["cpu", "gpu", "tpu", "xpu"])
def test_what_is_installed_for_each_kind(tmp_path, kind):
    """The script with an interpreter that writes down what it is asked for."""
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/asked\n'
        f'[ "$1 $2" = "-m venv" ] && mkdir -p "$3/bin" && cp {python} "$3/bin/python"\n'
        '[ "$1" = -c ] && echo 2.20.0; true\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["docker/install.sh", str(tmp_path / "environment"), kind],
        cwd=ROOT,
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    if kind == "xpu":
        assert done.returncode == 2 and "expected cpu, gpu or tpu" in done.stdout
        return
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert ("--no-deps -r requirements-tpu.txt" in asked) == (kind == "tpu")
    assert ("tensorflow[and-cuda]==2.20.0 -c constraints.txt" in asked) == (kind == "gpu")
    assert ("-r requirements.txt -c constraints.txt" in asked) == (kind != "tpu")
