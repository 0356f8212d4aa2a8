"""The command that answers over HTTP, in a process of its own."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import tensorflow as tf

from eval.serve import main
from prep import run_command


class Shouter(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def shout(self, text):
        return {"answer": tf.strings.upper(text)}


def test_it_serves_until_it_is_stopped(tmp_path):
    module = Shouter()
    signatures = {"serving_default": module.shout}
    tf.saved_model.save(module, str(tmp_path / "loud" / "1"), signatures=signatures)
    words = ["-m", "eval", "serve", "--model", str(tmp_path / "loud"), "--port", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, *words], cwd=root, stdout=subprocess.PIPE) as server:
        try:
            said = server.stdout.readline().decode()
            address = said.removeprefix("serving loud at ").strip()
            assert address.startswith("http://127.0.0.1:")
            body = json.dumps({"instances": ["a"]}).encode()
            with urllib.request.urlopen(f"{address}:predict", body) as response:
                assert json.load(response) == {"predictions": ["A"]}
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.stdout.read().decode() == "stopped serving loud\n"
        assert server.wait() == 0


def test_mistakes_are_told(tmp_path, capsys):
    assert run_command(main, ["--model", str(tmp_path), "--port", "70000"]) == 2
    assert "--port is 70000; expected 0 to 65535" in capsys.readouterr().err
    assert run_command(main, ["--model", str(tmp_path)]) == 2
    assert "has no <number>/saved_model.pb" in capsys.readouterr().err


def test_a_damaged_model_is_told_and_not_its_port(tmp_path, capsys):
    signatures = {"serving_default": Shouter().shout}
    tf.saved_model.save(Shouter(), str(tmp_path / "1"), signatures=signatures)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no model")
    assert run_command(main, ["--model", str(tmp_path), "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / '1'} cannot be loaded: ") and "--port" not in said
