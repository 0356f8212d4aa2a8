"""The page: escaped, quick to write, and working in a browser where there is one."""

import dataclasses
import html
import html.parser
import json
import re
import subprocess
import time

import pytest

from eval.report.page.matrices import show_similarity
from eval.report.page.report_data import gather_report
from eval.report.page.run_files import RunFiles
from eval.report.page.writing import render_page, write_page

EVIL = '</script><script>document.title="broken"</script><img src=x onerror=alert(1)> & "quoted"'


class Elements(html.parser.HTMLParser):
    """Counts elements, and looks for what would ask a server."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.asked, self.labelled = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        if tag not in ("a", "link") or values.get("rel") == "stylesheet":
            self.asked += [values[name] for name in ("src", "href") if name in values]
        if tag == "th":
            self.labelled.append("scope" in values)


@pytest.fixture
def evil_run(run_of):
    """A run whose texts, labels and task are what a page must not take for its own."""
    run = run_of(EVIL)
    tasks = {EVIL: run.document["tasks"]["why"], "colour": run.document["tasks"]["colour"]}
    texts = [
        {**one, "input": EVIL, "target": EVIL, "prediction": EVIL, "references": [EVIL, EVIL]}
        for one in run.predictions["why"]
    ]
    labels = [
        {**one, "prediction": EVIL, "probabilities": {EVIL: 0.75, "no": 0.25}}
        for one in run.predictions["colour"]
    ]
    tasks["colour"] = {**tasks["colour"], "label_words": [EVIL, "no"]}
    log = [{"kind": "validation", "step": 1, f"{EVIL}/squad_f1": 0.5}]
    return RunFiles(EVIL, {**run.document, "tasks": tasks}, {EVIL: texts, "colour": labels}, log)


def test_texts_are_texts(evil_run, tmp_path):
    similarity = show_similarity([EVIL, "colour"], [[1, 0], [0, 1]])
    page = write_page(
        tmp_path / "new" / "page.html", gather_report([evil_run], [EVIL], (), similarity)
    ).read_text()
    elements = Elements(page)
    assert elements.tags.count("script") == 2 and "img" not in elements.tags
    assert elements.asked == [] and all(elements.labelled)
    assert "<img" not in page and "<script>document" not in page


def test_the_trained_share_is_told_where_all_runs_have_it(run_of):
    both = [run_of("a"), run_of("b", flipped=True)]
    page = render_page(gather_report(both, ["a", "b"]))
    assert page.count("1.23%, 1.23%") == 2 and page.count("4.56%, 4.56%") == 1
    del both[1].document["trained_shares"]
    assert "trained" not in render_page(gather_report(both, ["a", "b"])).split("<tbody>")[0]


def test_half_a_pair_of_surrogates_can_be_written(run_of, tmp_path):
    run = run_of()
    run.predictions["why"][0]["prediction"] = "\ud800"
    assert b"\\ud800" in write_page(tmp_path / "p.html", gather_report([run], ["x"])).read_bytes()


def test_the_title_is_the_reports(run_of):
    run = run_of()
    run.document["dataset"] = "data/<made-up>"
    page = render_page(gather_report([run], ["first"]))
    assert "<title>&lt;made-up&gt;: first, validation</title>" in page


def test_the_mean_has_interval_and_strip_as_tasks_have(run_of):
    runs = [run_of("a"), run_of("b", flipped=True)]
    for run in runs:
        run.document["intervals"] = {"mean": {"low": -0.25, "high": 0.75}}
    for count in (1, 2):
        page = render_page(gather_report(runs[:count], ["a", "b"][:count]))
        table = re.search(r'aria-label="Main figures">(.*?)</table>', page, re.S)[1]
        heading, *tasks, mean = re.findall("<tr>(.*?)</tr>", table, re.S)
        cells = [len(re.findall("<t[dh]", row)) for row in (heading, *tasks, mean)]
        assert len(tasks) == 3 and len(set(cells)) == 1
        assert mean.count('class="strip"') == mean.count("(−0.250 to 0.750)") == count
        # The line of the interval, from 5 + 110 · 0.375 to 5 + 110 · 0.875 pixels of −1 to 1.
        assert (
            mean.count('d="M46.2 8.0H101.2"') == count and '<td class="number">0.083</td>' in mean
        )


def test_sentences_stand_before_the_pictures(run_of):
    run = run_of()
    run.predictions["colour"] = [{**line, "input": "as long"} for line in run.predictions["colour"]]
    page = render_page(gather_report([run], ["first"], ["colour"]))
    sentence = '<p class="sentence"><strong>Length of the input and share right</strong>: all 4 '
    before, pictures = page.split('<div class="pictures">')
    assert sentence in before and "Length of the input" not in pictures
    assert "accuracy during training" in pictures


def test_every_link_of_the_page_leads_somewhere(run_of):
    page = render_page(gather_report([run_of(), run_of("second", flipped=True)], ["a", "b"]))
    places = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(places)) == len(places)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)
    assert set(re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page)) <= set(places)


def large_run(count):
    """A run of many examples of one task."""
    words = ("yes", "no")
    lines = [
        {
            "task": "big",
            "example": row,
            "input": f"row {row}: " + "word " * 20,
            "target": words[row % 2],
            "prediction": words[row % 3 == 0],
            "probabilities": {"yes": (row % 97) / 97, "no": 1 - (row % 97) / 97},
        }
        for row in range(count)
    ]
    figures = {
        "kind": "classification",
        "label_words": words,
        "examples": count,
        "metrics": {"f1": 0.5},
        "unreadable_predictions": 0,
    }
    return RunFiles("big", {"split": "test", "tasks": {"big": figures}}, {"big": lines})


@pytest.fixture(scope="module")
def large_page(tmp_path_factory):
    """The file of 50,000 rows, and how many seconds it took."""
    run, began = large_run(50_000), time.perf_counter()
    place = tmp_path_factory.mktemp("large") / "big.html"
    file = write_page(place, gather_report([run], ["big"]))
    return file, time.perf_counter() - began


def test_fifty_thousand_rows_are_written_in_seconds(large_page):
    file, seconds = large_page
    assert seconds < 20  # 2 on an idle machine
    assert file.stat().st_size < 15_000_000


# Put before the page's own script, and behind it.
WATCH = "<script>var faults=[];onerror=(m)=>{faults.push(String(m))};</script>"
DRIVE = """<script>
const told = [], $ = (id) => document.getElementById(id);
const rows = () => document.querySelectorAll(".row");
const tell = () => told.push($("count").textContent + " / " + rows().length);
const set = (id, value) => {
  $(id).value = value;
  $(id).dispatchEvent(new Event("change"));
  tell();
};
const key = (name) => $("rows").dispatchEvent(new KeyboardEvent("keydown", {key: name}));
tell();
WHAT A READER DOES
setTimeout(() => {
  tell();
  document.body.textContent = JSON.stringify({told, faults, title: document.title});
}, 400);
</script>"""
ONE_RUN = """
set("task", "0"); set("show", "wrong"); set("order", "down0");
told.push(rows()[0].textContent);
set("task", ""); set("show", "all"); set("order", "row");
key("End");
told.push($("detail").textContent, $("rows").getAttribute("aria-activedescendant"));
$("search").value = "SEEK";
$("search").dispatchEvent(new Event("input"));"""
TWO_RUNS = """
set("show", "differ"); told.push(rows()[0].textContent);
set("show", "only0"); set("show", "only1"); told.push($("detail").textContent);
set("show", "all"); set("order", "up1"); told.push(rows()[0].textContent);"""


@pytest.fixture
def browse(tmp_path, chromium_here):
    """Open a page in a headless browser and do what a reader would; give what was seen."""

    def run(page, what):
        file = tmp_path / "driven.html"
        page = page.replace("<head>", "<head>" + WATCH, 1)
        drive = DRIVE.replace("WHAT A READER DOES", what)
        file.write_text(page.replace("</body>", drive + "</body>"))
        words = [
            chromium_here,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'b'}",
        ]
        words += ["--virtual-time-budget=5000", "--dump-dom", file.as_uri()]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=300).stdout
        return json.loads(html.unescape(re.search(r"<body>(.*?)</body>", shown, re.S)[1]))

    return run


def test_the_browser_filters_sorts_searches_and_nothing_throws(run_of, browse):
    run = run_of()
    run.document["dataset"] = "data/made-up"
    run.predictions["why"][1].update(input="to seek & <b>find</b>", prediction=EVIL)
    seen = browse(render_page(gather_report([run], ["first"])), ONE_RUN)
    assert seen["faults"] == [] and seen["title"] == "made-up: first, validation"
    told = seen["told"]
    assert told[0] == "8 of 8 predictions / 8"
    assert told[1] == "4 of 8 predictions / 4" and told[2] == "2 of 8 predictions / 2"
    assert told[4].startswith("wrong colour · row 3 · 90.0 % sure")
    assert told[8].startswith("taskgrade, row 1") and told[9] == "row-7"
    assert told[10] == "1 of 8 predictions / 1"


def test_two_runs_are_filtered_by_where_they_differ(run_of, browse):
    runs = [run_of(), run_of("second", flipped=True)]
    seen = browse(render_page(gather_report(runs, ["first", "second"])), TWO_RUNS)
    assert seen["faults"] == []
    told = seen["told"]
    assert told[1] == "1 of 8 predictions / 1"
    assert told[2] == "A right B wrong colour · row 0yes | no ← colour row 0"
    assert told[3] == "1 of 8 predictions / 1" and told[4] == "0 of 8 predictions / 0"
    assert told[5] == "No prediction is like that."
    assert told[8].startswith("A right B right colour · row 2")  # sure to 0.7


@pytest.mark.slow
def test_it_stays_quick_with_fifty_thousand_rows(browse, large_page):
    seen = browse(large_page[0].read_text(), 'set("show", "wrong");')
    assert seen["faults"] == []
    assert seen["told"][0].startswith("50,000 of 50,000 predictions / ")
    # Rows that are drawn are those that are seen and some around.
    assert int(seen["told"][0].rpartition(" ")[2]) < 40


def test_predictions_are_put_in_order_by_confidence_where_there_is_any(run_of):
    page = render_page(gather_report([run_of()], ["first"]))
    assert "most confident</option>" in page
    run = run_of()
    for name in ("colour",):  # the only task with probabilities
        run.document["tasks"].pop(name)
        run.predictions.pop(name)
    assert "most confident" not in render_page(gather_report([run], ["first"]))


def test_a_step_that_was_chosen_by_the_same_examples_is_said(run_of):
    log = [{"kind": "validation", "step": step} for step in (10, 20, 30)]

    def page(steps):
        run = dataclasses.replace(run_of(), log=log[:steps])
        run.document.update(checkpoint="best", step=20, split="validation")
        return render_page(gather_report([run], ["first"]))

    assert "best, step 20, the best of 3 on these very examples" in page(3)
    for text in (page(1), page(0)):  # nothing was chosen
        assert "best, step 20" in text and "on these very examples" not in text
