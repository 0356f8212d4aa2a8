"""Run an exported training step through JAX's runtime: no TensorFlow is imported here.

    python jax_runner.py step.mlir inputs.npz losses.npy [platform]

The step is StableHLO whose arguments are those of a batch, then the state; `inputs.npz` has the
state as `state_0`, … and the batches as `batch_<step>_0`, …. What the step returns first is its
loss. The module says which argument each other result takes the place of: the state is donated.
"""

import sys
from pathlib import Path

import jax
import numpy as np
from jax._src import compiler, xla_bridge
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jaxlib.mlir import ir

jax.config.update("jax_enable_x64", True)  # the count of steps is an int64


def read_step(file):
    """The step's text, its products of whole float32: a GPU's own choice is TF32."""
    text = Path(file).read_text(encoding="utf-8")
    return text.replace("precision = [DEFAULT, DEFAULT]", "precision = [HIGHEST, HIGHEST]")


def drop_copies(operation):
    """Take out `mhlo.copy`, which TensorFlow writes for its own compiler and StableHLO lacks."""
    for region in operation.regions:
        for block in region:
            for inner in list(block):
                if inner.operation.name == "mhlo.copy":
                    inner.operation.results[0].replace_all_uses_with(inner.operation.operands[0])
                    inner.operation.erase()
                else:
                    drop_copies(inner.operation)


def read_places(module):
    """Which argument's place each result takes: {result: argument}."""
    aliases = ir.ArrayAttr(module.operation.attributes["mhlo.input_output_alias"])
    places = {}
    for entry in map(ir.DictAttr, aliases):
        [result] = ir.DenseI64ArrayAttr(entry["output_index"])
        places[result] = ir.IntegerAttr(ir.DictAttr(entry["alias"])["parameter_number"]).value
    return places


def main(step_file, inputs_file, losses_file, platform="cpu"):
    if platform == "cpu":  # else libtpu, where it is installed, asks for a TPU for minutes
        jax.config.update("jax_platforms", platform)
    client = xla_bridge.get_backend(platform)
    device = client.local_devices()[0]
    with mlir.make_ir_context() as context:
        context.allow_unregistered_dialects = True
        module = ir.Module.parse(read_step(step_file))
        drop_copies(module.operation)
        places = read_places(module)
        program = client.compile_and_load(
            mlir.module_to_bytecode(module),
            xla_client.DeviceList((device,)),
            compiler.get_compile_options(num_replicas=1, num_partitions=1),
        )
    inputs = np.load(inputs_file)
    count = sum(name.startswith("state_") for name in inputs)
    width = sum(name.startswith("batch_0_") for name in inputs)
    steps = (len(inputs.files) - count) // width

    def put(name):
        return jax.device_put(inputs[name], device)

    state = [put(f"state_{index}") for index in range(count)]
    losses = []
    for step in range(steps):
        arguments = [put(f"batch_{step}_{index}") for index in range(width)] + state
        results = program.execute(arguments)
        losses.append(np.asarray(results[0]))
        for result, argument in places.items():
            state[argument - width] = results[result]
    np.save(losses_file, np.asarray(losses, np.float32))
    print(f"{steps} steps, {len(places)} of {count} donated, jax {jax.__version__}, {platform}")


if __name__ == "__main__":
    main(*sys.argv[1:])
