"""Completion as bash itself does it, with the script in the shell."""

import os
import pty
import select
import shutil
import subprocess

import pytest

from trainer.completion import METHODS, gather_programs, write_script

TRY = """
source "$1"; shift
complete -p "$1" || exit 3
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"
_t5_task_adapters_python "$1" "$word" "$before" 2> /dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("completion") / "completion.bash"
    file.write_text(write_script("bash"), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("python -m trainer.do", ["trainer.doctor"]),
        ("python -m trainer ad", ["add-task"]),
        (
            "python -m trainer --optimizer.sch",
            ["--optimizer.schedule"],
        ),
        ("python -m trainer --optimizer.schedule co", ["constant", "cosine"]),
        ("python -m trainer --training.norms t", ["true"]),
        ("python -m trainer --adapters.method lo", ["lora"]),
        ("python -m prep build --tasks rt", ["rte"]),
        ("python -m prep build --format e", ["encoder"]),
        ("python3 -m prep build --voc", ["--vocabulary"]),
        ("python -m eval report --o", ["--out"]),
        ("python -m adapters_tf export --format p", ["peft"]),
        ("python -c trainer", [""]),
        ("python -m pytest --no-such", [""]),
    ],
)
def test_bash_completes(script, words, expected):
    done = subprocess.run(
        ["bash", "--norc", "-c", TRY, "bash", script, *words.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    tied, *found = done.stdout.splitlines()
    assert tied.startswith("complete -o bashdefault -o default -F _t5_task_adapters_python python")
    assert found[: len(expected)] == expected


@pytest.mark.slow
def test_the_methods_are_those_that_there_are():
    import adapters_tf.methods as known

    assert {*METHODS} == {*known.METHODS, *known.VARIANTS, "none"}


BASH = (["bash", "--norc", "--noprofile", "-i"], "")
ZSH = (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u; ")


@pytest.mark.parametrize(("shell", "begin"), [BASH, ZSH], ids=["bash", "zsh"])
def test_a_tab_in_a_terminal(shell, begin, tmp_path):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    script = tmp_path / "completion"
    script.write_text(write_script(shell[0]), encoding="utf-8")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        shell,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)},
        start_new_session=True,
    )
    try:
        os.write(ours, f"{begin}source {script}; echo read''y\n".encode())
        read_until(ours, b"ready")
        os.write(ours, b"python -m prep build --voc\t")
        assert b"--vocabulary" in read_until(ours, b"--vocabulary")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def read_until(terminal, ending):
    seen = b""
    while ending not in seen and select.select([terminal], [], [], 20)[0]:
        seen += os.read(terminal, 4096)
    return seen


def test_zsh_gets_a_function_for_python():
    said = write_script("zsh")
    assert said.rstrip().endswith("compdef _t5_task_adapters_python python python3")
    assert "--optimizer.schedule" in said and "zsh_eval_context" not in said


def test_no_program_is_missing():
    [commands] = [one for one in gather_programs()._actions if one.choices]
    programs = {"prep", "adapters_tf", "eval", "eval.predict", "trainer"}
    programs |= {f"trainer.{name}" for name in ("preflight", "doctor", "demo", "completion")}
    assert set(commands.choices) == programs
