import pickle
from pathlib import Path

import numpy as np
import pytest

from candid.errors import ArtifactError
from candid.features.backbones.spec import LITE0
from candid.features.backbones.torch_file import read_tensors
from candid.features.backbones.weights import find_weights
from tests.features.backbones.legacy_files import EMPTY_DICT, Entry, legacy_file, state_dict

SIX = np.arange(6, dtype="<f4")


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return path


def six(**changes: object) -> Entry:
    fields = {"name": "x", "key": "7", "num_elements": 6, "shape": (2, 3), "strides": (3, 1)}
    return Entry(**(fields | changes))  # type: ignore[arg-type]


def test_a_tensor_keeps_its_name_shape_and_values(tmp_path):
    path = written(tmp_path, legacy_file(state_dict(six()), {"7": SIX}))
    tensors = read_tensors(path)
    assert list(tensors) == ["x"]
    assert tensors["x"].dtype == np.float32
    np.testing.assert_array_equal(tensors["x"], [[0, 1, 2], [3, 4, 5]])


def test_strides_and_offsets_are_followed(tmp_path):
    transposed = six(name="t", shape=(3, 2), strides=(1, 3))
    tail = six(name="tail", shape=(2,), strides=(1,), offset=4)
    path = written(tmp_path, legacy_file(state_dict(transposed, tail), {"7": SIX}))
    tensors = read_tensors(path)
    np.testing.assert_array_equal(tensors["t"], [[0, 3], [1, 4], [2, 5]])
    assert tensors["t"].flags.c_contiguous
    np.testing.assert_array_equal(tensors["tail"], [4, 5])


def test_a_scalar_of_whole_numbers_stays_one(tmp_path):
    steps = Entry("steps", "9", 1, (), (), storage="LongStorage")
    path = written(tmp_path, legacy_file(state_dict(steps), {"9": np.array([42], "<i8")}))
    tensor = read_tensors(path)["steps"]
    assert tensor.shape == ()
    assert tensor.dtype == np.int64
    assert tensor == 42


def test_a_pickle_that_calls_a_function_is_refused_and_nothing_runs(tmp_path):
    canary = tmp_path / "canary"
    call = f"cos\nsystem\n(S'touch {canary}'\ntR.".encode()
    for data in (call, legacy_file(call, {}), legacy_file(state_dict(six())[:-2] + call, {})):
        with pytest.raises(ArtifactError, match=r"os\.system|damaged"):
            read_tensors(written(tmp_path, data))
    assert not canary.exists()


@pytest.mark.parametrize("name", ["builtins\neval", "torch\nload", "numpy\nfrombuffer"])
def test_a_global_that_tensors_do_not_need_is_refused(tmp_path, name):
    state = b"\x80\x02c" + name.encode() + b"\n."
    with pytest.raises(ArtifactError, match=name.replace("\n", r"\.")):
        read_tensors(written(tmp_path, legacy_file(state, {})))


def test_a_pickle_can_not_change_what_the_reader_uses_to_rebuild_tensors(tmp_path):
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    state = b"\x80\x02" + rebuild + b"N}X\x08\x00\x00\x00__call__Ns\x86b."
    with pytest.raises(ArtifactError, match="damaged"):
        read_tensors(written(tmp_path, legacy_file(state, {})))
    assert read_tensors(written(tmp_path, legacy_file(state_dict(six()), {"7": SIX})))


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x7f", b"p2147483647\n"])
def test_a_pickle_can_not_allocate_a_memo_of_gigabytes(tmp_path, put):
    state = b"\x80\x02" + EMPTY_DICT + put + b"."
    with pytest.raises(ArtifactError, match="memo index 2147483647"):
        read_tensors(written(tmp_path, legacy_file(state, {})))


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    data = legacy_file(state_dict(six()), {"7": SIX})
    for length in range(len(data)):
        with pytest.raises(ArtifactError, match=r"weights\.pth can't be read"):
            read_tensors(written(tmp_path, data[:length]))


def test_bytes_after_the_last_tensor_are_refused(tmp_path):
    data = legacy_file(state_dict(six()), {"7": SIX}) + b"\0"
    with pytest.raises(ArtifactError, match="after the last tensor"):
        read_tensors(written(tmp_path, data))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magic": 1}, "magic"),
        ({"protocol": 1002}, "protocol 1002"),
        ({"system": {"little_endian": False}}, "little-endian"),
        ({"system": []}, "little-endian"),
    ],
)
def test_a_header_of_another_format_is_refused(tmp_path, changes, reason):
    data = legacy_file(state_dict(six()), {"7": SIX}, **changes)
    with pytest.raises(ArtifactError, match=reason):
        read_tensors(written(tmp_path, data))


def test_the_zip_format_of_newer_checkpoints_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"before 1\.6"):
        read_tensors(written(tmp_path, b"PK\x03\x04" + bytes(100)))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_elements": 2**62},
        {"num_elements": -1},
        {"num_elements": 5},
        {"shape": (2**40, 2**40)},
        {"shape": (2, 4)},
        {"shape": (0, 2**62)},
        {"shape": (-2, -3)},
        {"shape": (6,)},
        {"shape": (1,) * 65, "strides": (1,) * 65},
        {"strides": (2**61, 1)},
        {"strides": (-3, 1)},
        {"strides": (0, 0), "shape": (2**20, 2**20)},
        {"offset": 1},
        {"offset": 2**70},
        {"storage": "UntypedStorage"},
    ],
)
def test_sizes_that_the_file_does_not_hold_are_refused(tmp_path, changes):
    with pytest.raises(ArtifactError):
        read_tensors(written(tmp_path, legacy_file(state_dict(six(**changes)), {"7": SIX})))


def test_the_stride_of_a_single_element_does_not_matter(tmp_path):
    entry = six(shape=(6, 1), strides=(1, 2**62))
    path = written(tmp_path, legacy_file(state_dict(entry), {"7": SIX}))
    assert read_tensors(path)["x"].shape == (6, 1)


@pytest.mark.parametrize(
    "state",
    [
        pickle.dumps([1, 2], protocol=2),
        b"\x80\x02" + EMPTY_DICT + b"(I1\nI2\nu.",
        b"\x80\x02" + EMPTY_DICT + b"(X\x01\x00\x00\x00aI2\nu.",
    ],
)
def test_a_pickle_of_anything_but_named_tensors_is_refused(tmp_path, state):
    with pytest.raises(ArtifactError, match="expected a PyTorch state dict"):
        read_tensors(written(tmp_path, legacy_file(state, {})))


def test_two_storages_of_one_name_are_refused(tmp_path):
    state = state_dict(six(), six(name="y", num_elements=3, shape=(3,), strides=(1,)))
    with pytest.raises(ArtifactError, match="two different storages"):
        read_tensors(written(tmp_path, legacy_file(state, {"7": SIX})))


def test_a_flipped_byte_gives_tensors_or_the_one_known_error(tmp_path):
    data = legacy_file(state_dict(six()), {"7": SIX})
    rng = np.random.default_rng(3)
    num_refused = 0
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.integers(len(data))] = rng.integers(256)
        try:
            read_tensors(written(tmp_path, bytes(broken)))
        except ArtifactError:
            num_refused += 1
    assert num_refused > 100


def test_the_published_weights_are_read_and_can_not_be_written_to():
    tensors = read_tensors(find_weights(LITE0))
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert not tensors["_conv_stem.weight"].flags.writeable
    assert sum(t.size for t in tensors.values() if t.dtype == np.float32) == 4_694_024
