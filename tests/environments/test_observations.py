"""What becomes of every kind of observation."""

import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.observations import Observations, Reading, encode
from dreamer_tf.errors import UserError

spaces = gymnasium.spaces
Box, Dict, Discrete = spaces.Box, spaces.Dict, spaces.Discrete
VECTOR = Box(-1, 1, (3,), np.float64)


def read(space, value=None, **settings):
    """The only observation of a space, its space and the notes."""
    found = Observations(space, "E", Reading(**settings))
    value = space.sample() if value is None else value
    observation = found.read(value)
    assert found.space.contains(observation)
    [name] = observation
    return name, observation[name], found.space[name], found.notes


@pytest.mark.parametrize(
    ("space", "name", "shape", "dtype"),
    [
        (VECTOR, "vector", (3,), np.float32),
        (Box(-1, 1, ()), "vector", (1,), np.float32),
        (Box(0, 255, (5,), np.uint8), "vector", (5,), np.uint8),
        (Box(-np.inf, np.inf, (5, 4)), "vector", (20,), np.float32),
        (Box(0, 255, (96, 80, 3), np.uint8), "image", (64, 64, 3), np.uint8),
        (Box(0, 255, (96, 80), np.uint8), "image", (64, 64, 1), np.uint8),
        (Box(0, 255, (96, 80, 7), np.uint8), "image", (64, 64, 7), np.uint8),
        (Box(0, 1, (10, 10, 4), bool), "image", (10, 10, 4), bool),
        (Box(0, 1, (10, 9), bool), "image", (10, 9, 1), bool),
        (Box(0, 1, (30, 20, 3), np.float64), "image", (64, 64, 3), np.uint8),
        (Box(0, 255, (3, 96, 80), np.uint8), "image", (64, 64, 3), np.uint8),
        (Box(-4, 4, (8, 8, 2), np.int64), "image", (64, 64, 2), np.uint8),
        (Discrete(5, start=-2), "vector", (5,), bool),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), "vector", (14,), bool),
        (spaces.MultiBinary([2, 3]), "vector", (6,), bool),
    ],
)
def test_every_kind_becomes_an_image_planes_or_a_vector(space, name, shape, dtype):
    found, value, box, _ = read(space)
    assert (
        (found, value.shape, value.dtype) == (name, shape, dtype) == (found, box.shape, box.dtype)
    )


def test_nested_parts_get_names_and_texts_are_left_out_with_a_note():
    space = Dict(
        {
            "robot": Dict({"arm": VECTOR, "grip/per": Discrete(2)}),
            "both": spaces.Tuple([VECTOR, spaces.MultiBinary(2)]),
            "mission": spaces.Text(9),
        }
    )
    found = Observations(space, "E", Reading())
    assert set(found.space.spaces) == {
        *("robot.arm", "robot.grip_per", "both.part0", "both.part1"),
    }
    assert "the text 'mission' is left out" in found.notes
    value = space.sample()
    observation = found.read(value)
    np.testing.assert_allclose(observation["robot.arm"], value["robot"]["arm"], rtol=1e-6)
    np.testing.assert_array_equal(observation["both.part1"], value["both"][1])


class Mission(gymnasium.Space):
    def __init__(self):
        super().__init__(dtype=str)

    def sample(self, mask=None, probability=None):
        return "go"


def test_texts_of_other_packages_are_left_out_as_well():
    found = Observations(Dict({"arm": VECTOR, "mission": Mission()}), "E", Reading())
    assert list(found.space.spaces) == ["arm"]
    assert found.notes == ["the text 'mission' is left out"]


def test_symbols_have_a_one_at_their_place():
    assert list(read(Discrete(4, start=10), np.int64(12))[1]) == [False, False, True, False]
    bits = read(spaces.MultiDiscrete([2, 3]), np.array([1, 0]))[1]
    assert list(np.flatnonzero(bits)) == [1, 2]
    with pytest.raises(ValueError, match="has the symbol 7, but its space says"):
        Observations(Discrete(4), "E", Reading()).read(np.int64(7))


def test_planes_keep_the_places_of_symbols():
    space, grid = Box(0, 10, (7, 6, 3), np.uint8), np.zeros((7, 6, 3), np.uint8)
    grid[2, 4] = 10, 5, 2
    _, planes, box, notes = read(space, grid, planes={"image": (11, 6, 3)})
    assert box.shape == (7, 6, 20) and notes[0].endswith("becomes 20 planes")
    assert list(np.flatnonzero(planes[2, 4])) == [10, 11 + 5, 17 + 2]
    assert list(np.flatnonzero(planes[0, 0])) == [0, 11, 17] and planes.sum() == 7 * 6 * 3
    assert read(Box(0, 3, (5, 4), np.int64), planes={"image": (4,)})[1].shape == (5, 4, 4)


def test_images_of_numbers_become_bytes_by_their_range():
    low_high = np.stack([np.full((8, 8), -1.0), np.full((8, 8), 3.0)], -1)
    image = read(Box(-1, 3, (8, 8, 2)), low_high, image_size=None)[1]
    assert (image[..., 0] == 0).all() and (image[..., 1] == 255).all()
    unbounded = Box(-np.inf, np.inf, (8, 8, 2))
    with pytest.raises(UserError, match=r"scale = \{'image': 1\.0\}"):
        read(unbounded)
    assert (read(unbounded, np.full((8, 8, 2), 9.0), scale={"image": 9.0})[1] == 255).all()
    with pytest.raises(ValueError, match="not finite"):
        read(Box(-1, 3, (8, 8, 2)), np.full((8, 8, 2), np.nan))


def test_channels_are_turned_last():
    value = np.zeros((3, 9, 8), np.uint8)
    value[1, 2, 7] = 255
    image, notes = read(Box(0, 255, (3, 9, 8), np.uint8), value, image_size=None)[1::2]
    assert image.shape == (9, 8, 3) and image[2, 7, 1] == 255
    assert "the observation of shape [3, 9, 8] has its channels turned last" in notes
    # Whoever knows better says so.
    unturned = Box(0, 255, (3, 9, 8), np.uint8)
    assert read(unturned, image_size=None, channels_first=())[1].shape == (3, 9, 8)
    turned = Box(0, 1, (8, 8, 3), bool)
    assert read(turned, channels_first=("image",))[1].shape == (8, 3, 8)


def test_an_image_is_a_copy():
    value = np.zeros((64, 64, 3), np.uint8)
    image = read(Box(0, 255, (64, 64, 3), np.uint8), value)[1]
    value[:] = 9
    assert image.max() == 0


@pytest.mark.parametrize(
    ("space", "settings", "words"),
    [
        (Dict({}), {}, "at least one is needed"),
        (spaces.Text(5), {}, "at least one is needed"),
        (Discrete(100_000), {}, "has 100,000 symbols"),
        (spaces.OneOf([VECTOR]), {}, "is a OneOf, which has no fixed size"),
        (VECTOR, {"planes": {"vektor": (2,)}}, "planes names the observation 'vektor'.*Did you"),
        (VECTOR, {"channels_first": ("image",)}, "channels_first names the observation 'image'"),
        (Box(0, 9, (3,), np.uint8), {"planes": {"vector": (3,)}}, "use create_gym_environment.one"),
        (Dict({"a/b": VECTOR, "a_b": VECTOR}), {}, "a name of its own"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_why(space, settings, words):
    with pytest.raises(UserError, match=words):
        Observations(space, "E", Reading(**settings))


def test_unknown_symbols_are_named():
    with pytest.raises(ValueError, match=r"'grid' has the symbol 3, but one says \(3, 2\)"):
        encode(np.array([[0, 1], [3, 0]]), (3, 2), "grid", "one")
