"""The pictures of the pages: small, shown, and taken by a command."""

import io
from pathlib import Path

import pytest
from PIL import Image

from docs.chromium import PROGRAMS, find_chromium
from docs.pictures import FOLDER, MOST_BYTES, SHOTS, main, shrink

ROOT = Path(__file__).parents[2]
NAMES = [f"{shot.name}.png" for shot in SHOTS]


def test_every_picture_is_small_shown_and_of_its_width():
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(NAMES)
    pages = (ROOT / "README.md", ROOT / "docs" / "reading-the-report.md")
    text = "\n".join(page.read_text("utf-8") for page in pages)
    for shot, name in zip(SHOTS, NAMES, strict=True):
        file = FOLDER / name
        assert file.stat().st_size < MOST_BYTES and f"pictures/{name})" in text
        with Image.open(file) as picture:
            assert picture.width == shot.width
            lightness = picture.convert("L").getpixel((2, 2))
        assert (lightness > 200) == (shot.scheme == "light")


def test_a_picture_keeps_its_rare_colours():
    picture = Image.new("RGB", (100, 100), "white")
    picture.putpixel((50, 50), (168, 84, 10))
    written = io.BytesIO()
    picture.save(written, "PNG")
    with Image.open(io.BytesIO(shrink(written.getvalue()))) as small:
        assert small.mode == "P" and small.convert("RGB").getpixel((50, 50)) == (168, 84, 10)


def test_a_run_without_a_report_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert f"python -m eval --run {tmp_path}" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_takes_them(tmp_path, capsys):
    if find_chromium() is None:
        pytest.skip(f"no page can be opened: there is none of {', '.join(PROGRAMS)} here")
    sections = "<section style='height: 100px'></section>" * 3
    style = "<style>body { margin: 0 } :root { color-scheme: light dark }</style>"
    meta = "<meta name='viewport' content='width=device-width'>"
    page = f"<!doctype html>{meta}{style}<main>{sections}</main>"
    (tmp_path / "report.html").write_text(page)
    main([str(tmp_path), "--out", str(tmp_path / "new")])
    sizes, corners = {}, {}
    for name in NAMES:
        with Image.open(tmp_path / "new" / name) as picture:
            sizes[name], corners[name] = picture.size, picture.convert("L").getpixel((0, 0))
    assert sizes["report-top.png"] == (1280, 116) and sizes["report-dark.png"] == (1280, 316)
    assert sizes["report-phone-light.png"] == (390, 1516)
    assert corners["report-light.png"] == 255 and corners["report-dark.png"] < 40
    assert capsys.readouterr().out.count("wrote ") == len(NAMES)
