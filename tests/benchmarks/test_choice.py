"""The settings that the accelerator table recommends."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def defaults():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "choice.py"
    spec = importlib.util.spec_from_file_location("choice", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.defaults


def row(precision, jit_compile, speed, batch=50, finite=True):
    return {
        "batch": batch,
        "precision": precision,
        "jit_compile": jit_compile,
        "updates_per_second": speed,
        "finite": finite,
    }


def test_the_fastest_row_of_the_largest_batch_counts(defaults):
    rows = [
        row("float32", False, 5.0),
        row("mixed_float16", True, 9.0),
        row("float32", True, 30.0, batch=16),
    ]
    assert defaults(rows, []) == [
        "Learner.precision = 'mixed_float16'",
        "Learner.jit_compile = True",
    ]


def test_a_safer_row_is_chosen_where_it_is_as_fast(defaults):
    rows = [
        row("mixed_float16", True, 10.0),
        row("mixed_bfloat16", True, 9.7),
        row("mixed_bfloat16", False, 9.6),
        row("float32", False, 9.0),
    ]
    assert defaults(rows, [])[:2] == [
        "Learner.precision = 'mixed_bfloat16'",
        "Learner.jit_compile = False",
    ]


def test_failed_rows_do_not_count(defaults):
    failed = {"batch": 50, "precision": "float32", "jit_compile": True, "error": "no memory"}
    rows = [failed, row("mixed_float16", False, 9.0, finite=False), row("float32", False, 3.0)]
    assert defaults(rows, [])[0] == "Learner.precision = 'float32'"
    assert defaults([failed], []) == []


def test_the_policy_goes_where_it_is_faster_in_the_chosen_precision(defaults):
    policies = [
        {"precision": "float32", "device": "/GPU:0", "milliseconds": 1.0},
        {"precision": "float32", "device": "/CPU:0", "milliseconds": 0.7},
        {"precision": "mixed_float16", "device": "/GPU:0", "milliseconds": 0.1},
        {"precision": "float32", "device": "/GPU:1", "error": "unknown"},
    ]
    found = defaults([row("float32", False, 3.0)], policies)
    assert found[-1] == "Learner.policy_device = '/CPU:0'"
