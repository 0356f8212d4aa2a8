"""The report without a mouse: real keys, pressed in a headless Chromium."""

import pytest

from eval.report.page.report_data import gather_report
from eval.report.page.writing import write_page

MARKED = """(() => {
  const list = document.getElementById("rows");
  const row = document.getElementById(list.getAttribute("aria-activedescendant"));
  const inside = row.getBoundingClientRect(), around = list.getBoundingClientRect();
  const seen = inside.top >= around.top - 1 && inside.bottom <= around.bottom + 1;
  const chosen = [...document.querySelectorAll("[aria-selected=true]")];
  return [row.id, seen, chosen.length === 1 && chosen[0] === row];
})()"""
FOCUSED = "document.activeElement.id || document.activeElement.className"
TOLD = 'document.querySelector("#detail dd").textContent'


@pytest.fixture(scope="module")
def page(run_of, tmp_path_factory):
    """A report of 500 predictions."""
    run = run_of()
    lines = [{**run.predictions["why"][0], "example": row} for row in range(500)]
    run.predictions["why"] = lines
    run.document["tasks"] = {"why": {**run.document["tasks"]["why"], "examples": len(lines)}}
    file = tmp_path_factory.mktemp("page") / "page.html"
    return write_page(file, gather_report([run], ["first"]))


def row_after(chromium, *keys, control=False):
    """The row that is marked then, which must be in sight and the only one that is."""
    chromium.press(*keys, control=control)
    row, is_seen, is_alone = chromium.run(MARKED)
    assert is_seen and is_alone
    return int(row.removeprefix("row-"))


def test_keys_move_in_the_list(chromium, page):
    chromium.open(page, 1280)
    chromium.run('document.getElementById("rows").focus()')
    assert row_after(chromium) == 0
    assert row_after(chromium, "ArrowUp") == 0  # there is nothing above
    assert row_after(chromium, "ArrowDown", "ArrowDown") == 2
    assert chromium.run(TOLD) == "why, row 2"
    assert row_after(chromium, "ArrowUp") == 1
    page_down = row_after(chromium, "PageDown") - 1
    assert 4 < page_down < 10  # rows of 62 pixels in 32 rem
    assert row_after(chromium, "PageDown", "PageUp", "PageUp") == 1
    assert row_after(chromium, "End") == 499 and chromium.run(TOLD) == "why, row 499"
    assert row_after(chromium, "ArrowDown", "PageDown") == 499
    assert row_after(chromium, "Home") == 0


def test_keys_that_the_reader_means_otherwise_are_left_alone(chromium, page):
    chromium.open(page, 1280)
    chromium.run('document.getElementById("rows").focus()')
    chromium.press("ArrowDown", "End", control=True)  # which scrolls, as everywhere
    assert chromium.run(TOLD) == "why, row 0"


def test_tab_leads_to_the_predictions_and_through_them(chromium, page):
    chromium.open(page, 1280)
    chromium.press("Tab")
    assert chromium.run(FOCUSED) == "skip"
    width = chromium.run("document.activeElement.getBoundingClientRect().width")
    assert width > 50  # it shows itself
    chromium.press("Enter")
    assert chromium.run("location.hash") == "#browser"
    places = []
    for _ in range(5):
        chromium.press("Tab")
        places.append(chromium.run(FOCUSED))
    assert places == ["task", "show", "order", "search", "rows"]
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert chromium.run(outline) == "solid"
