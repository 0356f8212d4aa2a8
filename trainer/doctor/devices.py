"""Whether TensorFlow loads, which devices it sees, and what a run would be spread over."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping

from adapters_tf.runtime.tpu_failures import explain_tpu_failure
from trainer.doctor.finding import FAULT, OK, Finding
from trainer.doctor.pins import PINS
from trainer.doctor.subprocesses import Outcome, run_stages
from trainer.doctor.wheel import CPU_WHEEL, TPU_WHEEL, install_command, uses_tpu_wheel

Probe = Callable[[str, list[str], float], Outcome]
LOCAL = ("", "local")
_STRATEGIES = {
    "TPUStrategyV2": "TPUStrategy, one replica on each TPU core",
    "TPUStrategy": "TPUStrategy, one replica on each TPU core",
    "MirroredStrategy": "MirroredStrategy, one replica on each GPU",
    "OneDeviceStrategy": "OneDeviceStrategy, on the GPU",
    "_DefaultDistributionStrategy": "no strategy: one replica, on the CPU",
}
_METADATA = (
    "libtpu asks Google's metadata server for the TPU's shape, and nobody answers: "
    "this is no TPU VM, or its metadata server is out of reach"
)


def check_devices(
    kind: str, environment: Mapping[str, str], seconds: float, probe: Probe = run_stages
) -> list[Finding]:
    """Load TensorFlow and choose devices as a run would, in a process of its own.

    Args:
        kind: As `distribution.kind`.
        environment: Of this process.
        seconds: After which the process is given up.
        probe: Runs it; tests replace it.

    Returns:
        The findings.
    """
    outcome = probe("devices", [kind], seconds)
    said, findings = outcome.said, [*_check_address(environment)]
    if said.get("version"):
        findings.append(Finding(OK, "import", f"TensorFlow {said['version']} loads"))
    if said.get("strategy"):
        findings += _describe(kind, said)
    if said.get("stage") == "done":
        return findings
    if outcome.is_late:
        return [*findings, _explain_hang(said, environment, seconds)]
    return [*findings, _explain_end(outcome)]


def _check_address(environment: Mapping[str, str]) -> Iterator[Finding]:
    name = environment.get("TPU_NAME", "")
    if name not in LOCAL:
        what = (
            f"the chips of {name} are reached over the network, where no host reads the files and "
            "makes the batches of this machine; training refuses"
        )
        node = "NAME" if "://" in name else name
        mend = f"gcloud compute tpus tpu-vm ssh {node}, and there: export TPU_NAME=local"
        yield Finding(FAULT, "TPU_NAME", what, mend)


def _describe(kind: str, said: Mapping[str, object]) -> Iterator[Finding]:
    name, replicas = str(said["strategy"]), said["replicas"]
    chosen = _STRATEGIES.get(name, name)
    count = f"{replicas} replica{'' if replicas == 1 else 's'}"
    what = chosen if "replica," in chosen else f"{chosen}: {count}"
    if said.get("hosts", 1) != 1:
        what += f" on {said['hosts']} hosts; a run's batches are made on one"
        yield Finding(FAULT, "strategy", what, "use a TPU of one host, such as v5litepod-8")
    else:
        yield Finding(OK, "strategy", what)
    if kind == "auto" and not said.get("is_announced") and "TPU" not in name:
        what = "none: no chip on this machine's bus, no TPU_NAME"
        yield Finding(OK, "TPU", what)


def _explain_hang(
    said: Mapping[str, object], environment: Mapping[str, str], seconds: float
) -> Finding:
    stage = said.get("stage")
    after = f"no answer within {seconds:.0f} s"
    if stage == "tensorflow" and uses_tpu_wheel() and "TPU_SKIP_MDS_QUERY" not in environment:
        what = f"{after} while TensorFlow was loaded: {_METADATA}"
        return Finding(FAULT, "import", what, "export TPU_SKIP_MDS_QUERY=1")
    if stage == "strategy":
        address = environment.get("TPU_NAME") or "local"
        what = f"{after} from the TPU at {address!r}: it is not there, not ready, or is in use"
        mend = "gcloud compute tpus tpu-vm list --zone=ZONE; sudo lsof -w /dev/accel* /dev/vfio/*"
        return Finding(FAULT, "TPU", what, mend)
    doing = {"tensorflow": "TensorFlow was loaded", "transformers": "transformers was loaded"}
    what = f"{after} while {doing.get(str(stage), 'the devices added up numbers')}"
    return Finding(FAULT, "import", what, "python -m trainer.doctor --timeout=600")


def _explain_end(outcome: Outcome) -> Finding:
    """Say why a probe ended before it was done."""
    said, wheel = outcome.said, TPU_WHEEL if uses_tpu_wheel() else CPU_WHEEL
    stage, error = said.get("stage"), str(said.get("error", ""))
    reason = first_line(error) if error else outcome.last_line()
    if outcome.code == -signal.SIGKILL:
        what = f"{reason}: more memory was asked for than there is"
        return Finding(FAULT, "import", what, "end other processes, see `ps aux --sort=-rss`")
    if outcome.code < 0:
        library = "libtpu" if wheel == TPU_WHEEL else "TensorFlow"
        what = f"{reason}, from inside {library}: its version, or a damaged file"
        return Finding(FAULT, "import", what, install_command(wheel))
    if stage == "strategy" and error.startswith("no TPU answers"):
        failure = explain_tpu_failure(str(said.get("cause", "")))
        return Finding(FAULT, "TPU", failure.what, failure.mend)
    if stage == "strategy":
        return Finding(FAULT, "strategy", reason, "--distribution.kind=auto takes what there is")
    if stage == "transformers":
        mend = "export FORCE_TF_AVAILABLE=1; unset USE_TF USE_TORCH"
        return Finding(FAULT, "import", f"transformers has no TFT5: {reason}", mend)
    if stage == "tensorflow":
        what = f"TensorFlow does not load: {reason}"
        if "protobuf" in reason:
            mend = f"{sys.executable} -m pip install --no-deps protobuf=={PINS['protobuf']}"
            return Finding(FAULT, "import", what, mend)
        return Finding(FAULT, "import", what, install_command(wheel))
    return Finding(FAULT, "devices", reason, "python -m trainer.doctor --kind=cpu")


def first_line(text: str) -> str:
    """Take the first line of an error that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "without a word")
