"""The notebooks' own programs, which no package holds."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def load_program():
    """Import a program that lies beside the notebooks."""

    def load(name):
        file = Path(__file__).parents[2] / "notebooks" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
