"""The emulated Cloud Storage keeps to the protocol: seen through the clients that people use."""

import os
import shutil
import subprocess

import pytest
import requests

from tests.gcs_emulator.faults import flip_bit
from tests.gcs_emulator.multipart import parse_related
from tests.gcs_emulator.server import Emulator
from tests.gcs_emulator.store import ApiError, Store, UploadSession

pytestmark = pytest.mark.slow

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("gcs")).serving() as server:
        yield server


@pytest.fixture
def emulator(server):
    server.clear()
    server.store.create_bucket("bucket")
    return server


@pytest.fixture
def files(tmp_path):
    """A folder of two files, one of them in a folder of its own."""
    (tmp_path / "files" / "inner").mkdir(parents=True)
    (tmp_path / "files" / "a").write_bytes(CONTENT)
    (tmp_path / "files" / "inner" / "b c").write_bytes(b"")
    return tmp_path / "files"


def test_preconditions():
    store = Store()
    store.create_bucket("b")
    first = store.put("b", "x", b"1", {"ifGenerationMatch": "0"})
    with pytest.raises(ApiError) as caught:
        store.put("b", "x", b"2", {"ifGenerationMatch": "0"})
    assert caught.value.status == 412
    second = store.put("b", "x", b"2", {"ifGenerationMatch": str(first.generation)})
    assert second.generation > first.generation
    for conditions, status in (
        ({"ifGenerationMatch": str(first.generation)}, 412),
        ({"ifGenerationNotMatch": str(second.generation)}, 304),
        ({"ifMetagenerationMatch": "2"}, 412),
        ({"generation": str(first.generation)}, 404),
    ):
        with pytest.raises(ApiError) as caught:
            store.get("b", "x", conditions)
        assert caught.value.status == status
    changed = store.change("b", "x", {}, content_type="text/plain")
    assert (changed.generation, changed.metageneration) == (second.generation, 2)


def test_pages_and_folded_prefixes():
    store = Store()
    store.create_bucket("b")
    for name in ("a/1", "a/2", "b", "c/1", "d"):
        store.put("b", name, b"")

    def page(*arguments, **options):
        objects, prefixes, token = store.page("b", *arguments, **options)
        return [stored.name for stored in objects], prefixes, token

    assert page(size=2) == (["a/1", "a/2"], [], "a/2")
    assert page(size=2, after="c/1") == (["d"], [], None)
    assert page(delimiter="/") == (["b", "d"], ["a/", "c/"], None)
    assert page(delimiter="/", size=2) == (["b"], ["a/"], "b")
    assert page("a/", "/") == (["a/1", "a/2"], [], None)
    assert page("zzz") == ([], [], None)


def test_bytes_sent_twice_count_once():
    session = UploadSession("b", "x", {}, "text/plain", {})
    session.receive(0, b"0123")
    session.receive(2, b"2345")
    session.receive(0, b"01")
    assert bytes(session.data) == b"012345"
    with pytest.raises(ApiError, match="bytes 6-7 are missing"):
        session.receive(8, b"8")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"x\r", b"\r\n", b"a\r\n--not-it\r\nb", bytes(range(256))]
)
@pytest.mark.parametrize(("quote", "newline"), [("", b"\r\n"), ("'", b"\n"), ('"', b"\r\n")])
def test_multipart_bodies(content, quote, newline):
    part = newline.join([b"--==1==", b"Content-Type: text/plain", b"", b""])
    body = part + b'{"name": "n"}' + newline + part + content + newline + b"--==1==--"
    content_type = f"multipart/related; boundary={quote}==1=={quote}"
    assert parse_related(content_type, body) == ({"name": "n"}, "text/plain", content)


def test_ranges(emulator):
    emulator.store.put("bucket", "x", b"0123456789")
    address = f"{emulator.url}/storage/v1/b/bucket/o/x?alt=media"

    def fetch(wanted):
        reply = requests.get(address, headers={"Range": wanted}, timeout=5)
        return reply.status_code, reply.content, reply.headers.get("Content-Range")

    assert fetch("bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert fetch("bytes=8-99") == (206, b"89", "bytes 8-9/10")
    assert fetch("bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert fetch("bytes=10-")[0] == 416
    assert requests.get(address, timeout=5).content == b"0123456789"


def test_what_is_not_emulated_is_said(emulator):
    reply = requests.put(f"{emulator.url}/storage/v1/b/bucket/acl", timeout=5)
    assert reply.status_code == 404
    assert "not emulated: PUT /storage/v1/b/bucket/acl" in reply.text


def test_a_checksum_that_does_not_match_is_refused(emulator):
    with pytest.raises(ApiError, match="doesn't match calculated CRC32C"):
        emulator.store.put("bucket", "x", b"0", expected_crc32c="AAAAAA==")
    assert emulator.store.buckets["bucket"] == {}


def test_one_bit_flips():
    flipped = flip_bit(b"abc")
    assert sum((a ^ b).bit_count() for a, b in zip(flipped, b"abc", strict=True)) == 1
    assert flip_bit(b"") == b""


def test_tensorflow_writes_renames_and_removes(emulator, monkeypatch):
    import tensorflow as tf

    for variable, value in emulator.tensorflow_settings().items():
        monkeypatch.setenv(variable, value)
    with tf.io.gfile.GFile("gs://bucket/folder/x y", "wb") as file:
        file.write(CONTENT)
    assert emulator.store.get("bucket", "folder/x y").data == CONTENT
    assert tf.io.gfile.listdir("gs://bucket/folder") == ["x y"]
    tf.io.gfile.rename("gs://bucket/folder/x y", "gs://bucket/folder/z")
    tf.io.gfile.makedirs("gs://bucket/empty")
    assert sorted(emulator.store.buckets["bucket"]) == ["empty/", "folder/z"]
    assert tf.io.gfile.GFile("gs://bucket/folder/z", "rb").read() == CONTENT
    tf.io.gfile.remove("gs://bucket/folder/z")
    assert sorted(emulator.store.buckets["bucket"]) == ["empty/"]


def run_tool(name, arguments, tmp_path, **environment):
    """Runs one of Google's command line tools with settings of its own."""
    tool = shutil.which(name)
    if tool is None:
        pytest.skip(f"{name} is not installed")
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_PROJECT": "project",
    }
    done = subprocess.run(
        [tool, *arguments],
        env=settings | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def gsutil_settings(emulator, tmp_path):
    """Variables with which gsutil speaks to the emulator."""
    boto = tmp_path / "boto"
    boto.write_text(
        f"[Credentials]\ngs_json_host = localhost\ngs_json_port = {emulator.tls_port}\n"
        f"[Boto]\nca_certificates_file = {emulator.certificate}\n"
        f"[GSUtil]\nprefer_api = json\nstate_dir = {tmp_path / 'state'}\n"
        "check_hashes = if_fast_else_fail\nsoftware_update_check_period = 0\n"
    )
    certificate = str(emulator.certificate)
    return {"BOTO_CONFIG": str(boto), "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": certificate}


def test_gsutil_uploads(emulator, files, tmp_path):
    arguments = ["-q", "rsync", "-r", str(files), "gs://bucket/f"]
    run_tool("gsutil", arguments, tmp_path, **gsutil_settings(emulator, tmp_path))
    found = {name: stored.data for name, stored in emulator.store.buckets["bucket"].items()}
    assert found == {"f/a": CONTENT, "f/inner/b c": b""}


def run_gcloud(emulator, arguments, tmp_path):
    endpoint = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{emulator.url}/storage/v1/"}
    run_tool("gcloud", ["storage", *arguments], tmp_path, **endpoint)


def test_gcloud_uploads_what_differs(emulator, files, tmp_path):
    for content in (CONTENT, b"changed"):
        (files / "a").write_bytes(content)
        run_gcloud(emulator, ["rsync", "-r", str(files), "gs://bucket/f"], tmp_path)
        found = {name: stored.data for name, stored in emulator.store.buckets["bucket"].items()}
        assert found == {"f/a": content, "f/inner/b c": b""}


def test_gcloud_downloads(emulator, tmp_path):
    emulator.store.put("bucket", "f/inner/b c", CONTENT)
    run_gcloud(emulator, ["cp", "-r", "gs://bucket/f", str(tmp_path)], tmp_path)
    assert (tmp_path / "f" / "inner" / "b c").read_bytes() == CONTENT
