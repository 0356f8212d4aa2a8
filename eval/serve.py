"""`python -m eval serve`: answers of an export over HTTP, as TensorFlow Serving's REST API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.files.local_paths import typed_path
from prep import DataError, UsageError

MOST_PORTS = 65535


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval serve", description=__doc__)
    parser.add_argument(
        "--model",
        type=typed_path,
        required=True,
        metavar="FOLDER",
        help="that export-serving wrote",
    )
    parser.add_argument("--port", type=int, default=8501, help="by default 8501; 0 for a free one")
    parser.add_argument("--host", default="127.0.0.1", help="by default this machine alone")
    parser.add_argument("--name", help="of the model in addresses; by default the folder's")
    return parser


def main(argv: Sequence[str]) -> int:
    """Serve until interrupted.

    Args:
        argv: The words after `serve`.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(list(argv))
    if not 0 <= options.port <= MOST_PORTS:
        raise UsageError(f"--port is {options.port}; expected 0 to {MOST_PORTS}")
    folder = Path(options.model)
    if not folder.is_dir():
        raise UsageError(f"--model {folder} is no folder; `export-serving` writes one")
    import tensorflow as tf

    from eval.serving.http_server import make_server
    from eval.serving.rest import load_model, newest_version

    name = options.name or folder.resolve().name
    try:
        version = newest_version(folder)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error
    try:
        served = load_model(folder, name)
    except (OSError, ValueError, LookupError, tf.errors.OpError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{version} cannot be loaded: {reason}; export it again") from error
    try:
        server = make_server(served, options.host, options.port)
    except OSError as error:
        where = f"--host {options.host} --port {options.port}"
        raise UsageError(f"{where}: {error.strerror}") from error
    address = f"http://{options.host}:{server.server_port}/v1/models/{name}"
    with server:
        print(f"serving {name} at {address}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:  # a server has no other end, and nothing is left undone
            print(f"stopped serving {name}")
    return 0
