"""Folders that a run could not read or write."""

import errno

import pytest

from tests.gcs_emulator.server import Emulator
from trainer.doctor.places import check_backbone, check_dataset, check_run

SECONDS = 60.0


def test_a_local_dataset_is_read(small_dataset):
    finding = check_dataset(str(small_dataset), SECONDS)
    assert finding.status == "ok" and "3 tasks: synthetic_entailment, " in finding.what


@pytest.mark.parametrize("where", ("missing", "half"))
def test_a_local_dataset_that_is_not_there_or_not_whole(tmp_path, where):
    (tmp_path / "half").mkdir()
    finding = check_dataset(str(tmp_path / where), SECONDS)
    assert finding.status == "fault" and "prep build" in finding.mend


def test_other_clouds_are_refused():
    finding = check_dataset("s3://bucket/data", SECONDS)
    assert finding.status == "fault" and "gs://" in finding.mend


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A bucket, with its emulator's store, that a process of its own finds."""
    with Emulator(tmp_path).serving() as emulator:
        emulator.store.create_bucket("mine")
        for name, value in emulator.tensorflow_settings().items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.mark.slow
def test_a_bucket_is_read_object_by_object(bucket, small_dataset):
    content = (small_dataset / "dataset.json").read_bytes()
    bucket.store.put("mine", "data/dataset.json", content)
    bucket.forget_requests()
    finding = check_dataset("gs://mine/data", SECONDS)
    assert finding.status == "ok" and "it has 3 tasks" in finding.what, finding
    # Who may read objects need not be allowed to list them.
    assert bucket.log and not any("prefix=" in one.path for one in bucket.log)


@pytest.mark.slow
def test_a_bucket_without_the_dataset(bucket):
    finding = check_dataset("gs://mine/other", SECONDS)
    assert finding.status == "fault" and "gs://mine/other has no dataset.json" in finding.what
    assert "gcloud" in finding.mend


def test_a_bucket_that_does_not_answer(monkeypatch):
    from trainer.doctor import places
    from trainer.doctor.subprocesses import Outcome

    late = Outcome({"stage": "manifest"}, True, -9, "")
    monkeypatch.setattr(places, "run_stages", lambda *_: late)
    finding = check_dataset("gs://mine/data", 5.0)
    assert finding.status == "fault" and "not read within 5 s" in finding.what


def test_a_network_that_knows_no_bucket_is_no_matter_of_rights(monkeypatch):
    from trainer.doctor import places
    from trainer.doctor.subprocesses import Outcome

    said = {"error": "libcurl code 6 meaning 'Could not resolve hostname'"}
    monkeypatch.setattr(places, "run_stages", lambda *_: Outcome(said, False, 1, ""))
    finding = check_dataset("gs://mine/data", 5.0)
    assert finding.status == "fault" and finding.mend.startswith("getent hosts")


def test_a_run_folder_is_made_or_gone_on_with(tmp_path):
    assert check_run(str(tmp_path / "a" / "b")).what.endswith("a/b can be written")
    (tmp_path / "config.yaml").touch()
    assert check_run(str(tmp_path)).what.endswith("can be written, and goes on")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("s3://bucket/run", "is an address"),
        ("{}/file/run", "is a file"),
        ("{}/dataset", "is a dataset folder"),
    ],
)
def test_a_run_folder_that_cannot_be(tmp_path, where, what):
    (tmp_path / "file").touch()
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "dataset.json").touch()
    finding = check_run(where.format(tmp_path))
    assert finding.status == "fault" and what in finding.what and finding.mend


def test_a_run_folder_in_a_bucket_is_written_to(tmp_path, monkeypatch):
    with Emulator(tmp_path).serving() as emulator:
        emulator.store.create_bucket("mine")
        for name, value in emulator.client_settings().items():
            monkeypatch.setenv(name, value)
        assert check_run("gs://mine/run").what == "gs://mine/run can be written"
        emulator.store.put("mine", "run/config.yaml", b"")
        assert check_run("gs://mine/run").what == "gs://mine/run can be written, and goes on"
        assert list(emulator.store.buckets["mine"]) == ["run/config.yaml"]
        emulator.faults.add("POST", status=403, count=9)
        finding = check_run("gs://mine/run")
        assert finding.status == "fault" and "gs://mine/run" in finding.what and finding.mend
        assert check_run("gs://other/run").status == "fault"


def test_a_run_folder_where_nothing_can_be_written():
    """Root may write everywhere, as the rights have it, and not make a folder in /proc."""
    finding = check_run("/proc/run")
    assert finding.status == "fault" and "/proc is not writable" in finding.what


def test_a_run_folder_on_a_full_disk(tmp_path, monkeypatch):
    def full(dir):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trainer.doctor.places.tempfile.TemporaryFile", full)
    finding = check_run(str(tmp_path / "run"))
    assert finding.status == "fault" and "(No space left on device)" in finding.what


def test_a_backbone_is_a_preset_or_a_whole_folder(tmp_path):
    assert "is a preset; its weights are random" in check_backbone("t5-small").what
    assert "on the Hugging Face hub (not tried)" in check_backbone("google-t5/t5-small").what
    misspelt = check_backbone("t5-smal")
    assert (misspelt.status, misspelt.mend) == ("fault", "did you mean 't5-small'?")
    assert "there is no folder" in check_backbone(str(tmp_path / "t5")).what
    assert "is an address" in check_backbone("gs://bucket/t5").what
    (tmp_path / "config.json").touch()
    assert "lacks weights" in check_backbone(str(tmp_path)).what
    (tmp_path / "model.safetensors").touch()
    assert check_backbone(str(tmp_path)).status == "ok"
