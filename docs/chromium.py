"""A headless Chromium for pictures and tests of pages: it is told what to do through a pipe.

Its messages are those of the Chrome DevTools Protocol, each ended by a zero byte, as
`--remote-debugging-pipe` has them; so nothing but Chromium is needed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_IN, _OUT = 3, 4  # of Chromium
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio")
_KEYS = {  # codes of keys that are no letters
    "Tab": 9, "Enter": 13, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
    "ArrowUp": 38, "ArrowDown": 40,
}  # fmt: skip
_CONTROL = 2
_PATIENCE = 60  # seconds for Chromium to end by itself


def find_chromium() -> str | None:
    """Find a Chromium on this machine; None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """A tab of a headless Chromium, which ends with the `with` it is opened by.

    Args:
        program: The path of Chromium.
        profile: A folder for what it keeps; made if absent.
    """

    def __init__(self, program: str, profile: Path) -> None:
        # Moved out of the way of the two numbers that Chromium looks for.
        opened = (*os.pipe(), *os.pipe())
        pipes = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in opened]
        for one in opened:
            os.close(one)
        words = [program, *_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        actions = [
            (os.POSIX_SPAWN_DUP2, pipes[0], _IN),
            (os.POSIX_SPAWN_DUP2, pipes[3], _OUT),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        self._process = os.posix_spawn(program, words, os.environ, file_actions=actions)
        os.close(pipes[0])
        os.close(pipes[3])
        self._write, self._read = pipes[1], pipes[2]
        self._rest, self._number, self._session = b"", 0, ""
        self._events: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.ask("Page.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        os.close(self._write)  # which Chromium takes for the end
        os.close(self._read)
        until = time.monotonic() + _PATIENCE
        while os.waitpid(self._process, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(self._process, signal.SIGKILL)
            time.sleep(0.02)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command of the protocol.

        Args:
            method: Such as "Page.navigate".
            parameters: Its own.

        Returns:
            The answer.

        Raises:
            RuntimeError: Chromium refuses, or has ended.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._events.append(answer.get("method", ""))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, file: Path, width: int, height: int = 900, scheme: str = "light") -> None:
        """Open a page.

        Args:
            file: On this machine.
            width: Of the screen, in pixels.
            height: The same.
            scheme: Colours that the reader prefers, "light" or "dark".
        """
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        self.show(scheme)
        self._events.clear()
        self.ask("Page.navigate", url=file.resolve().as_uri())
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._next().get("method", ""))

    def show(self, scheme: str = "light", medium: str = "") -> None:
        """Change the colours that the reader prefers, or the medium, such as "print"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=medium, features=features)

    def run(self, script: str) -> Any:
        """Run a script in the page.

        Args:
            script: An expression, which may be a promise.

        Returns:
            Its value.

        Raises:
            RuntimeError: It throws.
        """
        words = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", **words)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "thrown"))
        return answer["result"].get("value")

    def press(self, *keys: str, control: bool = False) -> None:
        """Press keys, one after the other, as a person does.

        Args:
            keys: Names, such as "ArrowDown".
            control: Whether the control key is held meanwhile.
        """
        for key in keys:
            code = _KEYS[key]
            words = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            words |= {"modifiers": _CONTROL * control}
            self.ask("Input.dispatchKeyEvent", type="rawKeyDown", **words)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **words)

    def picture(self, width: int, height: int, top: int = 0) -> bytes:
        """Take a picture of a part of the page, as PNG; the part may be below the screen."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        answer = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not (part := os.read(self._read, 1 << 16)):
                raise RuntimeError("Chromium has ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)
