"""What the report and the page on a dataset share: a frame, and a look that everyone can read."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import prep.inspection.templating
from eval.report.page import writing as report_page
from eval.report.page.report_data import gather_report
from prep.inspection import page as inspection_page
from prep.inspection.survey import survey_dataset

SHARED = Path(prep.inspection.templating.__file__).parent / "templates"
LOOK = (SHARED / "look.css").read_text("utf-8")
STYLES = "\n".join(
    (Path(place.__file__).parent / "templates" / name).read_text("utf-8")
    for place, name in ((report_page, "report.css"), (inspection_page, "inspection.css"))
)
PAGES = ("report", "inspection")
LEAST_CONTRAST = 4.5  # of WCAG 2.1, level AA, for texts of usual size
SCREENS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
WIDER = """[...document.querySelectorAll("body *")].filter((one) =>
  one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, .skip, .unseen, svg")
).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def pages(run_of, dataset, tmp_path_factory):
    """The file of each page; long words in the report's texts, and its tables wide."""
    folder = tmp_path_factory.mktemp("pages")
    runs = [run_of("first" * 20), run_of("second", flipped=True)]
    for run in runs:
        run.predictions["why"][1].update(input="long" * 200, prediction="long" * 100)
    report = gather_report(runs, [run.name for run in runs])
    return {
        "report": report_page.write_page(folder / "report.html", report),
        "inspection": inspection_page.write_page(folder / "inspection.html", survey_of(dataset)),
    }


def survey_of(dataset):
    """What is found in the small dataset, whose manifest does not count labels."""

    def count(split, words):
        counts = (split.entry.examples - 1, 1)[: len(words)]
        return replace(split, entry=replace(split.entry, label_counts=counts))

    survey = survey_dataset(dataset, records=2)
    return replace(
        survey,
        tasks=tuple(
            replace(
                task, splits=tuple(count(split, task.entry.label_words) for split in task.splits)
            )
            for task in survey.tasks
        ),
    )


def frame_of(page):
    """What stands around a page, without title, the style of its own, scripts and contents."""
    for tag in ("title", "header", "main", "script"):
        page = re.sub(rf"<{tag}\b.*</{tag}>", f"<{tag}>", page, flags=re.S)
    page = re.sub(r"(<style>\n)(.*)(</style>)", _without_own_style, page, flags=re.S)
    page = page.replace("; script-src 'unsafe-inline'", "").replace("<script>\n", "")
    return re.sub(r'(class="skip" href=")#.*?</a>', r"\1", page)


def _without_own_style(found):
    return found[1] + ("LOOK" if found[2].startswith(LOOK) else found[2])


def test_both_pages_have_the_same_frame(pages):
    report, inspection = (frame_of(pages[name].read_text("utf-8")) for name in PAGES)
    assert report == inspection and "LOOK" in report and "<footer" in report
    for place, name in ((report_page, "report"), (inspection_page, "inspection")):
        template = Path(place.__file__).parent / "templates" / f"{name}.html"
        text = template.read_text("utf-8")
        assert text.startswith('{% extends "shared/frame.html" %}')
        assert re.findall(r"<(?:html|head|body|style|header|main|footer|script)\b", text) == []


def test_examples_have_the_same_form_on_both_pages(pages):
    forms = []
    for name in PAGES:
        listed = re.search(r'<ol class="examples">.*?</li>', pages[name].read_text("utf-8"), re.S)
        without_texts = re.sub(r">[^<>]+<", "><", listed[0])
        forms.append(re.sub(r"\s*(<dt></dt><dd></dd>)+\s*", "ENTRIES", without_texts))
    assert forms[0] == forms[1] and "ENTRIES" in forms[0]


def colours(scheme):
    """The colours of a scheme, by name, as shares of red, green and blue."""
    parts = {
        "light": LOOK.split("@media")[0],
        "dark": LOOK[LOOK.index("(prefers-color-scheme: dark)") :].split("\n}")[0],
        "print": LOOK[LOOK.index("@media print") :],
    }
    named = dict(re.findall(r"--([\w-]+): (#\w+);", parts["light"]))
    assert len(named) >= 11
    changed = dict(re.findall(r"--([\w-]+): (#\w+);", parts[scheme]))
    assert scheme == "light" or len(changed) >= 6
    return {name: to_shares(value) for name, value in {**named, **changed}.items()}


def to_shares(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]


def luminance(shares):
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted(map(luminance, (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast(to_shares("#fff"), to_shares("#000000")) == pytest.approx(21)
    assert contrast(to_shares("#777"), to_shares("#fff")) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_texts_stand_out_from_what_is_behind_them(scheme):
    named = colours(scheme)
    written = set(re.findall(r"(?<![\w-])(?:color|fill): var\(--([\w-]+)\)", LOOK + STYLES))
    written |= {"bad"}  # the maximum, in the picture of lengths
    assert {"ink", "quiet", "link", "good", "bad"} <= written
    for behind in ("paper", "panel"):
        for name in written - {"series"}:
            assert contrast(named[name], named[behind]) >= LEAST_CONTRAST, (scheme, name, behind)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_counts_stand_out_from_the_darkest_shade(scheme):
    (share,) = re.findall(r"calc\(var\(--shade\) \* (\d+)%\)", STYLES)
    named, share = colours(scheme), int(share) / 100
    for series in "ab":
        pairs = zip(named[series], named["paper"], strict=True)
        shaded = [share * one + (1 - share) * other for one, other in pairs]
        assert contrast(named["ink"], shaded) >= LEAST_CONTRAST, (scheme, series)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_nothing_is_wider_than_the_screen(chromium, pages, name, width, scheme):
    chromium.open(pages[name], width, scheme=scheme)
    chromium.run('document.querySelectorAll("details").forEach((one) => { one.open = true; })')
    assert chromium.run(WIDER) == []
    assert chromium.run("document.documentElement.scrollWidth") == width
    paper = colours(scheme)["paper"]
    expected = f"rgb({', '.join(str(round(255 * one)) for one in paper)})"
    assert chromium.run("getComputedStyle(document.body).backgroundColor") == expected


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_the_dark_page_is_light_and_without_what_only_a_screen_can(chromium, pages, name):
    chromium.open(pages[name], 1280, scheme="dark")
    chromium.show("dark", "print")
    styles = 'getComputedStyle(document.querySelector("{}")).{}'
    assert chromium.run(styles.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    assert chromium.run(styles.format("body", "color")) == "rgb(0, 0, 0)"
    assert chromium.run(styles.format(".skip", "display")) == "none"
    if name == "report":
        assert chromium.run(styles.format("#browser", "display")) == "none"
    else:  # what is folded away on a screen is on paper
        folded = 'document.querySelector("details.split .examples").checkVisibility()'
        assert chromium.run(folded)
