"""What people get wrong about buckets, and the one line they see."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from prep.__main__ import main
from prep.dataset.manifest import load_manifest
from prep.dataset.staging import stage_dataset
from prep.errors import DataError, run_command
from prep.storage import bucket as google_bucket
from prep.storage import place_of
from prep.storage.bucket import BucketFolder


@pytest.fixture
def stage(rte_dataset, capsys):
    """Runs the command that stages; returns its exit code and its error line."""

    def call(address):
        code = run_command(main, ["stage", str(rte_dataset[0]), address])
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def real_service(bucket, emulator, monkeypatch):
    """Lets the client believe that it talks to the real service, credentials and all."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    for variable, value in emulator.proxy_settings().items():
        monkeypatch.setenv(variable, value)
    return bucket


def make_key_file(path):
    """Writes a service account's key file whose key no service knows."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    document = {
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": key.decode(),
        "private_key_id": "1",
        "project_id": "project",
    }
    path.write_text(json.dumps(document))


def check_one_line(error, *parts):
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    for part in parts:
        assert part in error


def test_no_such_bucket(stage, bucket, emulator):
    emulator.store.clear()
    code, error = stage(f"{bucket}/data")
    assert code == 1
    check_one_line(error, f"no such bucket: {bucket}; ", f"buckets create {bucket}`")


@pytest.mark.parametrize("request_line", ["GET", "POST"], ids=["listing", "uploading"])
def test_no_permission(stage, bucket, emulator, request_line):
    emulator.faults.add(request_line, count=100, status=403, message="robot lacks a permission")
    code, error = stage(f"{bucket}/data")
    assert code == 1
    check_one_line(error, f"no permission for {bucket}/data", "robot lacks a permission")
    check_one_line(
        error,
        f"needs the role Storage Object User (to read only: Storage Object Viewer) on {bucket}",
    )


def test_no_permission_to_remove(stage, bucket, emulator):
    emulator.store.put(bucket[5:], "data/dataset.json", b"{}")
    emulator.faults.add("DELETE", status=403)
    check_one_line(stage(f"{bucket}/data")[1], f"no permission for {bucket}/data/dataset.json")


def test_credentials_that_are_refused(stage, bucket, emulator):
    emulator.faults.add("GET", count=100, status=401)
    code, error = stage(f"{bucket}/data")
    assert code == 1
    check_one_line(error, "no valid Google credentials", "gcloud auth application-default login")


def test_no_credentials_at_all(stage, real_service, emulator):
    code, error = stage(f"{real_service}/data")
    assert code == 1
    check_one_line(error, "no valid Google credentials", "GOOGLE_APPLICATION_CREDENTIALS")
    assert emulator.log == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "was not found"),
        ("not JSON", "is not a valid json file"),
        ("[]", "it is no JSON object"),
        (b"\xff\xfe", "is not a valid json file"),
        ("{}", "does not have a valid type"),
        (
            '{"type": "service_account"}',
            "Service account info was not in the expected format, missing fields",
        ),
    ],
)
def test_a_wrong_key_file(stage, real_service, emulator, monkeypatch, tmp_path, content, message):
    path = tmp_path / "key.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    code, error = stage(f"{real_service}/data")
    assert code == 1
    check_one_line(error, f"names {path}, which cannot be used as a key file", message)
    assert emulator.log == []


def test_a_key_that_was_revoked(stage, real_service, monkeypatch, tmp_path):
    make_key_file(tmp_path / "key.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    code, error = stage(f"{real_service}/data")
    assert code == 1
    check_one_line(error, "cannot be used as a key file: ", "Invalid JWT Signature", "log in")


def test_a_service_that_keeps_failing(rte_dataset, bucket, emulator, monkeypatch):
    monkeypatch.setattr(google_bucket, "RETRY", google_bucket.RETRY.with_timeout(0.3))
    emulator.faults.add("POST", count=10_000, status=503, message="backend error")
    with pytest.raises(DataError, match=r"cannot be reached: .*backend error.*; run the command"):
        stage_dataset(rte_dataset[0], f"{bucket}/data")
    emulator.faults.clear()
    assert "data/dataset.json" not in emulator.store.buckets[bucket[5:]]
    stage_dataset(rte_dataset[0], f"{bucket}/data")


def test_a_service_that_is_not_there(bucket, monkeypatch):
    monkeypatch.setattr(google_bucket, "RETRY", google_bucket.RETRY.with_timeout(0.3))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with BucketFolder(bucket) as folder, pytest.raises(DataError, match=r"cannot be reached"):
        folder.list_objects()


def test_tensorflow_reads_from_no_such_bucket(bucket, emulator):
    emulator.store.clear()
    with pytest.raises(DataError, match=f"no such bucket: {bucket}; check its name"):
        load_manifest(f"{bucket}/data")


def test_tensorflow_finds_no_dataset(bucket):
    with pytest.raises(
        DataError, match=rf"{bucket}/data has no dataset.json: .* whose staging did not"
    ):
        load_manifest(f"{bucket}/data")
    with pytest.raises(FileNotFoundError):
        place_of(f"{bucket}/data/dataset.json").read_bytes()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "no valid Google credentials for {address}; log in with"),
        (403, "no permission for {address}: robot lacks a permission; the account needs"),
    ],
)
def test_tensorflow_is_refused(bucket, emulator, status, message):
    import tensorflow as tf

    emulator.faults.add("GET", count=100, status=status, message="robot lacks a permission")
    address = f"{bucket}/data/dataset.json"
    with pytest.raises(DataError, match=message.format(address=address)):
        load_manifest(f"{bucket}/data")
    with pytest.raises(DataError, match=message.format(address=address)):
        place_of(address).read_bytes()
    with pytest.raises(tf.errors.NotFoundError, match="Could not find directory"):
        tf.io.gfile.listdir(f"{bucket}/data")  # what TensorFlow says by itself
    with (
        pytest.raises(DataError, match=message.format(address=f"{bucket}/data")),
        place_of(f"{bucket}/data").explained(),
    ):
        tf.io.gfile.listdir(f"{bucket}/data")


def test_tensorflow_does_not_trust_the_certificate(bucket, monkeypatch, tmp_path):
    (tmp_path / "none.pem").write_text("no certificate")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(DataError, match=r"cannot be reached: .*certificate"):
        load_manifest(f"{bucket}/data")
