"""What the predictions browser holds."""

import json

from eval.report.page.browser_data import choose_limit, gather_rows, to_json
from eval.report.page.report_data import gather_report


def test_a_value_per_example_in_every_column(run_of):
    report = gather_report([run_of(), run_of("second", flipped=True)], ["first", "second"])
    rows = gather_rows(report)
    assert rows["tasks"] == ["colour", "why", "grade"] and rows["limit"] == 0
    assert rows["task"] == [0, 0, 0, 0, 1, 1, 2, 2]
    assert rows["others"][4:6] == [["a cup"], []]
    first, second = rows["answers"]
    assert first["prediction"][:2] == ["yes", "yes"] and second["prediction"][0] == "no"
    assert first["right"] == [1, 0, 1, 0, 1, 0, 1, 0]
    assert first["confidence"][3:5] == [0.9, None]
    assert second["shares"][0] == ["no", 0.75, "yes", 0.25]


def test_inputs_are_cut_where_all_would_be_too_much():
    inputs = ["x" * 3000, "y" * 100]
    assert choose_limit(inputs, 3100) == 0
    assert choose_limit(inputs, 3099) == 2000
    assert choose_limit(inputs, 10) == 120


def test_no_text_can_end_the_script():
    text = "</script><!-- <script> & \u2028 \\u003c"
    written = to_json([text])
    assert "<" not in written and json.loads(written) == [text]
