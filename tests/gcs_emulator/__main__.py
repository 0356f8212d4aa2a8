"""Runs the emulator by itself: `python -m tests.gcs_emulator BUCKET`, and prints the settings."""

import sys
import tempfile
import threading

from tests.gcs_emulator.server import Emulator


def main(bucket):
    with tempfile.TemporaryDirectory() as folder, Emulator(folder).serving() as emulator:
        emulator.store.create_bucket(bucket)
        settings = emulator.client_settings() | emulator.tensorflow_settings()
        for name, value in settings.items():
            print(f"export {name}={value}")
        print(f"# TLS: localhost:{emulator.tls_port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
