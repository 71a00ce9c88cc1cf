"""Archives are read as they were written, and their size is known from the expected arrays."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.storage import arrays
from dreamer_tf.storage.arrays import Expected
from dreamer_tf.storage.files import save_arrays

ARRAYS = {
    "weights/a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "count": np.int64(7),
    "empty": np.zeros((0, 4), np.float32),
    "flag": np.bool_(True),
    "key": np.array([1, 2**32 - 1], np.uint32),
}


def stored(tmp_path, values=ARRAYS):
    path = tmp_path / "arrays.npz"
    save_arrays(str(path), values)
    return path


@pytest.mark.parametrize("expected", [None, Expected(ARRAYS)])
def test_what_was_saved_is_read(tmp_path, expected):
    with stored(tmp_path).open("rb") as file:
        found = arrays.read(file, expected)
    assert set(found) == set(ARRAYS)
    for name, value in ARRAYS.items():
        assert found[name].dtype == value.dtype and found[name].flags.writeable
        np.testing.assert_array_equal(found[name], value)


def test_the_size_of_an_archive_is_known_before(tmp_path):
    size = stored(tmp_path).stat().st_size
    assert size <= Expected(ARRAYS).most_bytes() <= size + 2048 * len(ARRAYS)


def test_variables_have_numpys_types(tmp_path):
    """bfloat16 is none of NumPy's: it is stored as bytes."""
    variables = {
        name: tf.Variable(tf.zeros((2,), dtype))
        for name, dtype in (("a", tf.float32), ("b", tf.int64), ("c", tf.bfloat16))
    }
    values = {name: variable.numpy() for name, variable in variables.items()}
    with stored(tmp_path, values).open("rb") as file:
        found = arrays.read(file, Expected(variables))
    assert [found[name].dtype.itemsize for name in "abc"] == [4, 8, 2]


def test_further_arrays_are_accepted_by_the_beginning_of_their_names(tmp_path):
    some = {"w": np.zeros(3, np.float32)}
    path = stored(tmp_path, some | {"sampling/keys": np.arange(50)})
    with path.open("rb") as file:
        assert set(arrays.read(file, Expected(some, "sampling/", 5000))) == {"w", "sampling/keys"}
        with pytest.raises(ValueError, match="another network: sampling/keys differ"):
            arrays.read(file, Expected(some))


def test_some_arrays_are_read_and_the_others_are_left(tmp_path):
    path = stored(tmp_path)
    one = {"weights/a": ARRAYS["weights/a"]}
    with path.open("rb") as file:
        assert set(arrays.read(file, Expected(one, only=True))) == {"weights/a"}
        with pytest.raises(ValueError, match="another network: b differ"):
            arrays.read(file, Expected(one | {"b": np.zeros(2)}, only=True))


def test_arrays_of_other_shapes_are_named_together(tmp_path):
    names = "abcde"
    path = stored(tmp_path, {name: np.zeros(2, np.float32) for name in names})
    expected = Expected({name: np.zeros(3, np.float32) for name in names})
    with path.open("rb") as file, pytest.raises(ValueError, match="another network") as found:
        arrays.read(file, expected)
    shown = [f"{name} has shape (2,) of float32, not (3,) of float32" for name in "abc"]
    assert str(found.value).endswith(f"{', '.join(shown)}, and 2 more")
