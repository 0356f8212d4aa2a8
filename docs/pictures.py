"""Takes the pictures of a report that these pages and the README show, with a headless Chromium.

    python -m docs.pictures runs/demo/adapters

The ones here are of `python -m trainer.demo`.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from docs.chromium import Chromium, find_chromium

FOLDER = Path(__file__).with_name("pictures")
MOST_BYTES = 150_000  # of a picture: whoever clones the repository has them all
_COLOURS = 128  # enough for the edges of letters in each of a page's colours


@dataclass(frozen=True)
class Shot:
    """A picture to take.

    Attributes:
        name: Of its file, without .png.
        scheme: Colours that the reader prefers, "light" or "dark".
        width: Of the screen, in pixels.
        end: Script that gives how far down the page it reaches, in pixels.
    """

    name: str
    scheme: str
    width: int
    end: str


_OF_SECTION = "document.querySelector('main > section:nth-of-type({})').getBoundingClientRect()"
_TABLE, _TASK = (f"{_OF_SECTION.format(number)}.bottom" for number in (1, 3))
SHOTS = (
    Shot("report-top", "light", 1280, _TABLE),
    *(Shot(f"report-{scheme}", scheme, 1280, _TASK) for scheme in ("light", "dark")),
    *(Shot(f"report-phone-{scheme}", scheme, 390, "1500") for scheme in ("light", "dark")),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Take the pictures.

    Args:
        argv: The words after the program's name; by default those of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder with report.html")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=FOLDER)
    options = parser.parse_args(argv)
    report, program = options.run / "report.html", find_chromium()
    if not report.is_file():
        parser.error(
            f"there is no {report}; score the run first: python -m eval --run {options.run}"
        )
    if program is None:
        parser.error("there is no Chromium here to open the report in")
    for file in take_pictures(program, report, options.out):
        print(f"wrote {file}, {file.stat().st_size:,} bytes")


def take_pictures(program: str, report: Path, folder: Path) -> list[Path]:
    """Take the pictures of a report.

    Args:
        program: The path of Chromium.
        report: `report.html`.
        folder: Of the pictures; made if absent.

    Returns:
        Their files.

    Raises:
        RuntimeError: Chromium ends, or refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        Chromium(program, Path(profile)) as browser,
    ):
        for shot in SHOTS:
            browser.open(report, shot.width, scheme=shot.scheme)
            file = folder / f"{shot.name}.png"
            file.write_bytes(shrink(browser.picture(shot.width, round(browser.run(shot.end)) + 16)))
            files.append(file)
    return files


def shrink(png: bytes) -> bytes:
    """Write a picture with fewer colours, those that are furthest apart."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    few = picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    written = io.BytesIO()
    few.save(written, "PNG", optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    main()
