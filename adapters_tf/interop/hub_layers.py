"""How AdapterHub numbers layers and names tensors; it counts encoder and decoder as one list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from adapters_tf.backbone.sites import STACKS
from adapters_tf.errors import WeightsError

# How an adapter started.
HARMLESS = {"init_weights", "init_weights_seed", "dtype"}


def namer(config: Mapping[str, Any], names: Iterable[str] = ()) -> Callable[[str], str]:
    """Tell how the tensors of a folder are named.

    Args:
        config: Its adapter_config.json, with the adapter's name there.
        names: Of the file's tensors: models with heads of the library's own put a word before all.

    Returns:
        From a name with `{adapter}` to the one in the file.
    """
    prefix = "transformer." if any(name.startswith("transformer.") for name in names) else ""
    return lambda name: prefix + name.replace("{adapter}", config["name"])


class LayerNumbers:
    """Blocks of a T5 as AdapterHub numbers them; ours are numbered in their stack.

    Args:
        config: Of the T5.
    """

    def __init__(self, config: Any):
        self.depths = {"encoder": config.num_layers, "decoder": config.num_decoder_layers}
        self.width = config.d_model

    def number(self, stack: str, block: int) -> int:
        """Find the layer that a block is there.

        Args:
            stack: `encoder` or `decoder`.
            block: Its number in the stack.

        Returns:
            Its number there.
        """
        return block if stack == "encoder" else self.depths["encoder"] + block

    def left_out(self, stacks: Sequence[str], blocks: Sequence[int]) -> list[int]:
        """List the layers without an adapter.

        Args:
            stacks: Those with adapters.
            blocks: Those without, in either stack.

        Returns:
            Their numbers there.
        """
        return [
            self.number(stack, block)
            for stack in STACKS
            for block in range(self.depths[stack])
            if stack not in stacks or block in blocks
        ]

    def read_left_out(self, layers: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Read stacks and blocks out of their list.

        Args:
            layers: The numbers of the layers without an adapter.

        Returns:
            The stacks with adapters, and the blocks without in either of them.

        Raises:
            WeightsError: The stacks leave out different blocks.
        """
        blocks = {
            stack: {b for b in range(depth) if self.number(stack, b) in layers}
            for stack, depth in self.depths.items()
        }
        stacks = tuple(stack for stack in STACKS if len(blocks[stack]) < self.depths[stack])
        without = set().union(*(blocks[stack] for stack in stacks))
        for stack in stacks:
            if blocks[stack] != {block for block in without if block < self.depths[stack]}:
                raise WeightsError(
                    f"leave_out {list(layers)} leaves out different blocks of encoder and decoder,"
                    " which has no counterpart here"
                )
        return stacks, tuple(sorted(without))

    def read_factors(
        self, given: Any, stacks: Sequence[str], left_out: Sequence[int]
    ) -> tuple[int, dict[int, int]]:
        """Read reduction factors by block out of theirs by layer.

        Args:
            given: One number, or numbers by layer with a `default`.
            stacks: Those with adapters.
            left_out: The blocks without.

        Returns:
            The default, or the most common factor, and those of the other blocks.

        Raises:
            WeightsError: No whole factor gives such a width, or the stacks' factors differ.
        """
        factors: dict[int, int] = {}
        for stack in stacks:
            for block in set(range(self.depths[stack])) - set(left_out):
                factor = self._whole_factor(self._given_factor(given, self.number(stack, block)))
                if factors.setdefault(block, factor) != factor:
                    raise WeightsError(
                        f"reduction_factor {given} differs between encoder and decoder in block"
                        f" {block}, which has no counterpart here"
                    )
        default = given.get("default") if isinstance(given, Mapping) else given
        usual = Counter(factors.values()).most_common(1)[0][0]
        if default is not None:
            usual = self._whole_factor(default)
        return usual, {block: factor for block, factor in factors.items() if factor != usual}

    @staticmethod
    def _given_factor(given: Any, layer: int) -> float:
        if not isinstance(given, Mapping):
            return given
        if str(layer) not in given and "default" not in given:
            raise WeightsError(f"reduction_factor {given} says nothing of layer {layer}")
        return given.get(str(layer), given.get("default"))

    def _whole_factor(self, factor: float) -> int:
        width = max(1, int(self.width // factor))
        whole = int(factor) if factor == int(factor) else max(1, self.width // width)
        whole = min(whole, self.width)
        if self.width // whole != width:
            raise WeightsError(
                f"reduction_factor {factor:g} of {self.width} has no counterpart here"
            )
        return whole
