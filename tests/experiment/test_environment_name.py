"""The name of an environment, as a sweep asks for it."""

import json

from dreamer_tf.experiment import environment_name


def test_the_last_line_is_the_name(capsys):
    assert environment_name.main(json.dumps([["catch.gin"], [], []])) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == "Catch"


def test_what_cannot_be_made_is_a_sentence(capsys):
    request = [["gym.gin"], ["create_gym_environment.id = 'Nothing-v0'"], []]
    assert environment_name.main(json.dumps(request)) == 2
    assert "Nothing" in capsys.readouterr().err
