"""Which steps count as stored, and where their episodes begin."""

import json

import pytest

from dreamer_tf.replay.streams import Segment, Stream, as_segment


def add(stream, *lengths):
    for length in lengths:
        for step in range(length):
            stream.append(step == 0, step == length - 1)


def test_episodes_have_a_begin_and_an_end():
    stream = Stream(100)
    add(stream, 3, 1, 4)
    assert (len(stream), stream.running) == (8, False)
    assert stream.episodes() == [(0, 3), (3, 4), (4, 8)]
    assert [stream.episode(step) for step in (0, 2, 3, 7)] == [(0, 3), (0, 3), (3, 4), (4, 8)]


def test_the_oldest_steps_drop_out_and_cut_their_episode():
    stream = Stream(5)
    add(stream, 3, 1, 4)
    assert (stream.first, len(stream)) == (3, 5)
    assert stream.episodes() == [(3, 4), (4, 8)]
    stream.append(True, False)
    assert stream.episodes() == [(4, 8), (8, 9)]
    stream.append(False, False)
    assert stream.episodes() == [(5, 8), (8, 10)] and stream.running


def test_a_state_survives_json_and_lost_steps_stay_out():
    stream = Stream(100)
    add(stream, 3, 4)
    state = json.loads(json.dumps(stream.state()))
    restored = Stream(100)
    restored.restore(state, lost=4)
    assert restored.episodes()[-1] == (4, 7) and len(restored) == 3
    restored.restore(state, lost=50)
    assert len(restored) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"starts": [3, 0]},
        {"starts": [0, 0]},
        {"starts": [0, 7]},
        {"starts": []},
        {"count": -1},
        {"count": 0},
    ],
)
def test_an_impossible_state_is_an_error(changed):
    stream = Stream(100)
    add(stream, 3, 4)
    with pytest.raises(ValueError, match="steps"):
        Stream(100).restore(stream.state() | changed, lost=0)


def test_a_segment_is_read_from_its_stored_form():
    segment = Segment(1, 20, 3, True)
    assert as_segment(json.loads(json.dumps([int(value) for value in segment]))) == segment
