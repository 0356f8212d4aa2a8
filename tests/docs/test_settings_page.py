"""The page of settings is what the trainer's help says."""

from dataclasses import fields, is_dataclass

from docs.settings import PAGE, make_page
from trainer.settings.config import RunConfig


def test_the_page_is_what_its_command_writes():
    assert PAGE.read_text("utf-8") == make_page()


def test_every_setting_has_a_row():
    config, names = RunConfig(), []
    for field in fields(config):
        section = getattr(config, field.name)
        inner = [one.name for one in fields(section)] if is_dataclass(section) else []
        names += [f"{field.name}.{name}" for name in inner] or [field.name]
    page = PAGE.read_text("utf-8")
    assert len(names) > 70 and [name for name in names if f"| `{name}` |" not in page] == []
