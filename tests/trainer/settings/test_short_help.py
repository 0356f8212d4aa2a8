import pytest

from trainer.__main__ import make_trainer_parser
from trainer.settings.short_help import FIRST


def show(capsys, option):
    with pytest.raises(SystemExit) as ended:
        make_trainer_parser().parse_args([option])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


def test_help_is_a_screen(capsys):
    lines = show(capsys, "--help")
    assert len(lines) <= 43 and max(map(len, lines)) <= 80
    assert "  --data.batch_size ROWS          over all devices (32)" in lines
    assert not any("--data.shapes" in line for line in lines)


def test_its_options_are_the_parsers():
    parser = make_trainer_parser()
    known = {option for action in parser._actions for option in action.option_strings}
    assert {option for options in FIRST.values() for option, *_ in options} <= known


def test_all_help_has_every_setting_by_section(capsys):
    said = "\n".join(show(capsys, "--help-all"))
    assert said.index("The batches:") < said.index("--data.shapes") < said.index("The loop:")
    assert "--dry-run" in said
