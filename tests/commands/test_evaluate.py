"""`python -m dreamer_tf.evaluate`, and the same policy in Python."""

import json
import subprocess
import sys

from tests.commands.processes import assert_sentence, run


def test_evaluate_prints_json_and_records_a_video(trained):
    directory, _ = trained
    result = run(
        directory,
        "evaluate",
        "--base_dir=runs/atari/Pong/4",
        "--episodes=2",
        "--video=episode.gif",
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["episodes"] == 2 and len(report["returns"]) == 2
    assert report["lengths"] == [20, 20] and report["game"] == "Pong"
    import imageio.v3

    frames = imageio.v3.imread(directory / "episode.gif")
    assert frames.shape[1:3] == (210, 160) and len(frames) > 1


def test_a_few_lines_of_python_load_a_policy(trained):
    """Ten lines of Python: load, act, through Gymnasium's own interface."""
    directory, _ = trained
    code = """
import dreamer_tf
policy = dreamer_tf.load_policy("runs/atari/Pong/4")
environment = policy.gymnasium_environment()
observation, info = environment.reset(seed=1)
total = 0.0
for _ in range(5):
    action = policy(observation)
    observation, reward, terminated, truncated, info = environment.step(action)
    total += reward
assert environment.observation_space.contains(observation)
print(total)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, timeout=200
    )
    assert result.returncode == 0, result.stderr


def test_a_missing_run_and_a_wrong_video_are_named(tmp_path):
    assert_sentence(run(tmp_path, "evaluate"), "--base_dir")
    assert_sentence(run(tmp_path, "evaluate", "--base_dir=nowhere"), "nowhere")
    result = run(tmp_path, "evaluate", "--base_dir=nowhere", "--video=film.mp4")
    assert_sentence(result, "film.mp4", ".gif")
