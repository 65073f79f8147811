import pytest

from candid.features.backbones.spec import LITE0, LITE2


@pytest.mark.parametrize(("spec", "num_blocks"), [(LITE0, 16), (LITE2, 21)])
def test_depth_repeats_all_stages_but_the_first_and_the_last(spec, num_blocks):
    assert len(spec.blocks) == num_blocks
    assert [b.index for b in spec.blocks] == list(range(num_blocks))


def test_width_rounds_filters_to_multiples_of_eight():
    widths = list(dict.fromkeys(block.filters_out for block in LITE2.blocks))
    assert widths == [16, 24, 48, 88, 120, 208, 352]


@pytest.mark.parametrize("spec", [LITE0, LITE2])
def test_the_filters_of_consecutive_blocks_match(spec):
    for before, after in zip(spec.blocks, spec.blocks[1:], strict=False):
        assert after.filters_in == before.filters_out


def test_only_a_block_that_keeps_size_and_filters_has_a_skip():
    skips = [block.index for block in LITE0.blocks if block.has_skip]
    assert skips == [2, 4, 6, 7, 9, 10, 12, 13, 14]


def test_only_the_first_block_has_no_expansion():
    assert [block.index for block in LITE2.blocks if not block.has_expansion] == [0]
