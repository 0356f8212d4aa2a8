"""A program as the compiler for a v5e writes it, cut down to one instruction of each kind."""

import pytest

from trainer.preflight.program import read_program

PROGRAM = """\
HloModule a_inference_step, is_scheduled=true, input_output_alias={ {0}: (1, {}, may-alias) }

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%condition (state: (s32[], f32[64])) -> pred[] {
  %state = (s32[]{:T(128)}, f32[64]{0:T(128)}) parameter(0)
  %turn = s32[]{:T(128)} get-tuple-element(%state), index=0
  %limit = s32[]{:T(128)} constant(262144)
  ROOT %goes_on = pred[]{:T(128)} compare(%turn, %limit), direction=LT
}

%body (state.1: (s32[], f32[64])) -> (s32[], f32[64]) {
  %state.1 = (s32[]{:T(128)}, f32[64]{0:T(128)}) parameter(0)
  %value.1 = f32[64]{0:T(128)} get-tuple-element(%state.1), index=1
  %turn.1 = s32[]{:T(128)S(1)} get-tuple-element(%state.1), index=0
  %next = f32[64]{0:T(128)} negate(%value.1), \
backend_config={"window_config":{"estimated_cycles":"2"}}
  ROOT %state.2 = (s32[]{:T(128)}, f32[64]{0:T(128)}) tuple(%turn.1, %next)
}

%fused_row (bank: f32[8,64], value: f32[1,64], row: s32[]) -> f32[8,64] {
  %bank = f32[8,64]{1,0:T(8,128)} parameter(0)
  %value = f32[1,64]{1,0:T(1,128)} parameter(1)
  %row = s32[]{:T(128)} parameter(2)
  %zero = s32[]{:T(128)} constant(0)
  %old = f32[1,64]{1,0:T(1,128)} dynamic-slice(%bank, %row, %zero), dynamic_slice_sizes={1,64}
  %new = f32[1,64]{1,0:T(1,128)} add(%old, %value)
  ROOT %written = f32[8,64]{1,0:T(8,128)} dynamic-update-slice(%bank, %new, %row, %zero)
}

%fused_move (x: f32[64,64]) -> bf16[64,64] {
  %x = f32[64,64]{1,0:T(8,128)} parameter(0)
  %turned = f32[64,64]{0,1:T(8,128)} transpose(%x), dimensions={1,0}
  ROOT %cast = bf16[64,64]{0,1:T(8,128)(2,1)} convert(%turned)
}

ENTRY %main (p0: f32[64,64], p1: f32[8,64], p2: s32[], p3: s32[5,2]) -> (f32[8,64], bf16[64,64]) {
  %p0 = f32[64,64]{1,0:T(8,128)} parameter(0)
  %p1 = f32[8,64]{1,0:T(8,128)} parameter(1)
  %p2 = s32[]{:T(128)} parameter(2)
  %p3 = s32[5,2]{1,0:T(8,128)} parameter(3)
  %slice-start = ((f32[64,64]{1,0:T(8,128)}), f32[1,64]{1,0:T(1,128)S(1)}, s32[]{:S(2)}) \
slice-start(%p0), slice={[0:1], [0:64]}
  %slice-done = f32[1,64]{1,0:T(1,128)S(1)} slice-done(%slice-start)
  %row_fusion = f32[8,64]{1,0:T(8,128)} fusion(%p1, %slice-done, %p2), kind=kLoop, \
calls=%fused_row, metadata={op_name="AdamW/update"}, \
backend_config={"window_config":{"estimated_cycles":"1000"}}
  %move_fusion = bf16[64,64]{0,1:T(8,128)(2,1)} fusion(%p0), kind=kLoop, calls=%fused_move, \
metadata={op_name="attention/transpose"}, \
backend_config={"window_config":{"estimated_cycles":"500"}}
  %sort = (s32[4608]{0:T(1024)S(1)}, s32[4608]{0:T(1024)S(1)}) sort(%p2, %p2), dimensions={0}, \
to_apply=%add, metadata={op_name="AddN"}
  %scatter = f32[8,64]{1,0:T(8,128)S(1)} scatter(%row_fusion, %p3, %slice-done), \
index_vector_dim=1, to_apply=%add, metadata={op_name="SegmentSum"}
  %all-reduce = (f32[16]{0:T(128)S(1)}, f32[4]{0:T(128)S(1)}) all-reduce(%scatter), \
replica_groups={{0,1}}, to_apply=%add, metadata={op_name="XlaAllReduce"}
  %start = (s32[]{:T(128)}, f32[64]{0:T(128)}) tuple(%p2, %p2)
  %while = (s32[]{:T(128)}, f32[64]{0:T(128)}) while(%start), condition=%condition, body=%body, \
metadata={op_name="dropout/while"}
  ROOT %result = (f32[8,64]{1,0:T(8,128)}, bf16[64,64]{0,1:T(8,128)(2,1)}) \
tuple(%row_fusion, %move_fusion)
}
"""


@pytest.fixture(scope="module")
def step():
    return read_program(PROGRAM)


def test_the_compilers_cycles_are_added_up_over_the_turns_of_loops(step):
    assert step.cycles == 1000 + 500 + 262144 * 2


def test_bytes_are_of_hbm_and_of_the_rows_that_are_touched(step):
    slice_, row, move = 64 * 4, 2 * 64 * 4 + 4, 64 * 64 * (4 + 2)
    sort, scatter = 2 * 4, 8 * 64 * 4 + 5 * 2 * 4
    loop = 262144 * (2 * 64 * 4 + 1 + 2 * 4)  # a negation, and the condition
    assert step.hbm_bytes == slice_ + row + move + sort + scatter + loop


def test_a_loop_is_told_with_its_turns(step):
    (loop,) = step.loops
    assert (loop.name, loop.count) == ("dropout/while", 262144)


def test_what_carries_no_estimate_is_told_with_its_size(step):
    assert [(part.name, part.count) for part in step.sorts] == [("AddN", 4608)]
    assert [(part.name, part.count) for part in step.scatters] == [("SegmentSum", 5)]


def test_a_kernel_that_only_lays_out_anew_is_a_move(step):
    assert [(part.name, part.cycles) for part in step.moves] == [("attention/transpose", 500)]


def test_what_replicas_exchange_is_counted(step):
    assert [(part.kind, part.count) for part in step.collectives] == [("all-reduce", 80)]


def test_the_largest_results_are_named(step):
    assert step.largest[0].name == "attention/transpose"
    assert step.largest[0].shape == "bf16[64,64]"
    assert step.largest[0].count == 64 * 64 * 2
