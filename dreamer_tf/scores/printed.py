"""Scores beside those that the DreamerV2 paper printed (Table K1), and why they differ."""

from typing import Any

import numpy as np

from dreamer_tf.scores import curves
from dreamer_tf.scores.report import Report, grouped, whole_runs

MARGIN = 0.05  # of the printed score; smaller differences are not worth a note
AGENTS = ("DreamerV2", "Rainbow", "IQN")  # of the table


def scores(report: Report) -> dict[tuple[str, str], float]:
    """Game and label -> the printed score.

    Only of published runs that are compared at the end: at fewer frames the paper prints nothing.
    """
    groups = grouped(report.baselines)
    found = {}
    for row in curves.table("table_k1"):
        for agent in AGENTS:
            key = (str(row["Game"]), f"{agent}, published")
            if max((curve.end for curve in groups.get(key, [])), default=0) >= curves.COMPARED_AT:
                found[key] = float(str(row[agent]))
    return found


def notes(report: Report) -> list[dict[str, Any]]:
    """Rows of games and agents whose score here differs from the printed one."""
    rows = []
    groups = grouped(report.baselines)
    for (game, agent), paper in scores(report).items():
        runs = groups[game, agent]
        whole = whole_runs(runs)
        here = float(np.mean([curve.values[-1] for curve in whole]))
        if abs(here - paper) > max(MARGIN * abs(paper), 0.5):  # printed as whole numbers
            last = [curve.at(curves.COMPARED_AT) for curve in runs]
            rows.append(
                {
                    "game": game,
                    "agent": agent.removesuffix(", published"),
                    "here": here,
                    "printed": paper,
                    "runs": len(runs),
                    "ended early": len(runs) - len(whole),
                    "with their last values": float(np.mean(last)),
                }
            )
    return rows
