"""Scores beside those that the DreamerV2 paper printed (Table K1), and why they differ."""

from typing import Any

import numpy as np

from dreamer_tf.scores import curves
from dreamer_tf.scores.report import Report, grouped, whole_runs

MARGIN = 0.05  # of the printed score; smaller differences are not worth a note
END = 199e6  # frames at which the paper's scores follow from the published runs


def notes(report: Report) -> list[dict[str, Any]]:
    """Rows of games and agents whose score here differs from the printed one.

    Only published runs that are compared at the end count: at fewer frames the paper prints
    nothing.
    """
    rows = []
    groups = grouped(report.baselines)
    for row in curves.table("table_k1"):
        game = str(row["Game"])
        for agent in ("DreamerV2", "Rainbow", "IQN"):
            runs = groups.get((game, f"{agent}, published"))
            if not runs or max(curve.frames[-1] for curve in runs) < END:
                continue
            whole = whole_runs(runs)
            here = float(np.mean([curve.values[-1] for curve in whole]))
            paper = float(str(row[agent]))
            if abs(here - paper) > max(MARGIN * abs(paper), 0.5):  # printed as whole numbers
                rows.append(
                    {
                        "game": game,
                        "agent": agent,
                        "here": here,
                        "printed": paper,
                        "runs": len(runs),
                        "ended early": len(runs) - len(whole),
                        "with their last values": float(np.mean([curve.at(END) for curve in runs])),
                    }
                )
    return rows
