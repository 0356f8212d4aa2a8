"""Requests of TensorFlow Serving's REST API, over HTTP, to a model that shouts."""

import contextlib
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf

from eval.serving import http_server
from eval.serving.http_server import make_server
from eval.serving.rest import load_model, newest_version

TEXTS = tf.TensorSpec([None], tf.string, "text")


class Shouter(tf.Module):
    """Answers in capitals, and counts what it was given."""

    @tf.function(input_signature=[TEXTS])
    def shout(self, text):
        tf.debugging.Assert(tf.reduce_all(text != ""), ["a text is empty; got [", text])
        return {"answer": tf.strings.upper(text), "score": tf.zeros(tf.shape(text))}

    @tf.function(input_signature=[TEXTS, tf.TensorSpec([None], tf.string, "task")])
    def join(self, text, task):
        return {"answer": text + task}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, module = tmp_path_factory.mktemp("served"), Shouter()
    signatures = {"serving_default": module.shout, "pair": module.join}
    for version in ("1", "12"):
        tf.saved_model.save(module, str(folder / version), signatures=signatures)
    (folder / "2").mkdir()
    return folder


@pytest.fixture(scope="module")
def ask(folder):
    with make_server(load_model(folder, "tiny"), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(path, body=None, method=None):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            address = f"http://127.0.0.1:{server.server_port}/v1/models/{path}"
            try:
                request = urllib.request.Request(address, data, method=method)
                with urllib.request.urlopen(request) as response:
                    return response.status, json.load(response)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.load(error)

        ask.port = server.server_port
        yield ask
        server.shutdown()
        thread.join()


def test_status_and_metadata(ask):
    status, found = ask("tiny")
    (version,) = found["model_version_status"]
    assert status == 200 and (version["version"], version["state"]) == ("12", "AVAILABLE")
    status, found = ask("tiny/versions/12/metadata")
    assert found["model_spec"] == {"name": "tiny", "signature_name": "", "version": "12"}
    pair = found["metadata"]["signature_def"]["signature_def"]["pair"]
    assert (
        set(pair["inputs"]) == {"text", "task"} and pair["inputs"]["task"]["dtype"] == "DT_STRING"
    )
    assert pair["inputs"]["text"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    default = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert default["outputs"]["score"]["dtype"] == "DT_FLOAT"


def test_rows_and_columns(ask):
    rows = [{"answer": "A", "score": 0.0}, {"answer": "É", "score": 0.0}]
    for instances in (["a", "É"], [{"text": "a"}, {"text": {"b64": "w4k="}}]):
        assert ask("tiny:predict", {"instances": instances}) == (200, {"predictions": rows})
    outputs = {"answer": ["A"], "score": [0.0]}
    for inputs in (["a"], {"text": ["a"]}):
        assert ask("tiny:predict", {"inputs": inputs}) == (200, {"outputs": outputs})
    pair = {"signature_name": "pair", "inputs": {"text": ["a", "b"], "task": ["c", "d"]}}
    assert ask("tiny/versions/12:predict", pair) == (200, {"outputs": ["ac", "bd"]})
    pair = {"signature_name": "pair", "instances": [{"task": "c", "text": "a"}]}
    assert ask("tiny:predict", pair) == (200, {"predictions": ["ac"]})


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("other", None, 404, "Servable not found"),
        ("tiny/versions/1", None, 404, "version: 1"),
        ("tiny/nothing", None, 404, "Malformed request"),
        ("tiny", {"instances": ["a"]}, 404, "Malformed request: POST"),
        ("tiny:predict", b"{", 400, "JSON Parse error"),
        ("tiny:predict", ["a"], 400, "either 'instances' or 'inputs'"),
        ("tiny:predict", {"instances": ["a"], "inputs": ["a"]}, 400, "either"),
        ("tiny:predict", {"instances": []}, 400, "a row or more"),
        ("tiny:predict", {"instances": [{"texts": "a"}]}, 400, "instance 0 must have text"),
        ("tiny:predict", {"instances": ["a", 3]}, 400, "instance 1, text: expected a string"),
        ("tiny:predict", {"instances": [{"b64": "?"}]}, 400, "instance 0, text"),
        ("tiny:predict", {"instances": [{"b64": "é"}]}, 400, "instance 0, text"),
        ("tiny:predict", {"instances": [{"b64": "/////w=="}]}, 400, "text: no UTF-8"),
        ("tiny:predict", b"[" * 100_000, 400, "nested too deeply"),
        ("tiny:predict", {"instances": ["a", ""]}, 400, "a text is empty; got [ a "),
        ("tiny:predict", {"inputs": "a"}, 400, "'inputs' must have text"),
        ("tiny:predict", {"inputs": []}, 400, "a text or more"),
        ("tiny:predict", {"inputs": ["\ud800"]}, 400, "no UTF-8"),
        ("tiny:predict", {"signature_name": "x", "inputs": ["a"]}, 404, "no signature 'x'"),
        ("tiny:predict", {"signature_name": ["x"], "inputs": ["a"]}, 404, "no signature ['x']"),
        (
            "tiny:predict",
            {"signature_name": "pair", "inputs": {"text": ["a"], "task": ["a", "b"]}},
            400,
            "one length",
        ),
    ],
)
def test_what_cannot_be_answered_is_said(ask, path, body, status, said):
    code, found = ask(path, body)
    assert code == status and list(found) == ["error"] and said in found["error"]


def test_another_method_is_answered_in_json_too(ask):
    code, found = ask("tiny", method="DELETE")
    assert code == 501 and found == {"error": "Unsupported method ('DELETE')"}
    assert ask("tiny", method='A"B') == (501, {"error": "Unsupported method ('A\"B')"})


def test_what_goes_wrong_inside_is_answered_and_said_in_a_line(ask, monkeypatch, capfd):
    monkeypatch.setattr(http_server, "answer_get", lambda served, path: {}["gone"])
    assert ask("tiny") == (500, {"error": "KeyError('gone')"})
    assert capfd.readouterr().err == "error: /v1/models/tiny: KeyError('gone')\n"


def test_a_burst_is_answered_and_clients_that_go_away_are_no_error(ask, capfd):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", ask.port)) as client:
            client.sendall(b"POST /v1/models/tiny:predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with ThreadPoolExecutor(40) as pool:
        assert {code for code, _ in pool.map(ask, ["tiny"] * 200)} == {200}
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_half_a_request_holds_no_connection_for_ever(ask, monkeypatch):
    monkeypatch.setattr(http_server._Handler, "timeout", 0.2)
    head = b"POST /v1/models/tiny:predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
    for sent in (b"POST", head, head + b"{"):
        with socket.create_connection(("127.0.0.1", ask.port), timeout=20) as client:
            client.sendall(sent)
            answer = b"".join(iter(lambda: client.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 408") == sent.startswith(head)
    assert b"1 of 9 bytes came in time" in answer
    monkeypatch.setattr(http_server._Handler, "body_seconds", 0.3)
    with socket.create_connection(("127.0.0.1", ask.port), timeout=20) as client:
        client.sendall(head)
        for _ in range(8):
            client.sendall(b"x")
            time.sleep(0.1)
            with contextlib.suppress(BlockingIOError):
                if client.recv(12, socket.MSG_DONTWAIT) == b"HTTP/1.1 408":
                    return
    raise AssertionError("a byte now and then held the connection")


def test_a_folder_without_a_version_is_refused(tmp_path, folder):
    assert newest_version(folder).name == "12"
    with pytest.raises(FileNotFoundError, match="export-serving"):
        newest_version(tmp_path)
