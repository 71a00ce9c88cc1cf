"""Points of the paper's figures, against the paper's order and computations by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.scores import aggregate, curves, paper_figures
from dreamer_tf.scores.paper_tables import Request
from tests.scores.runs import write_run

# Runs at 99M and 199M frames, written down from the source (tests/data/baselines/README.md).
SOURCE = json.loads(
    (Path(__file__).resolve().parents[1] / "data/baselines/sampled_points.json").read_text()
)["dopamine"]
# Figure E1 as printed: the games from the largest difference to the smallest.
PRINTED = {
    "DreamerV2 - DQN": (
        "jamesbond upndown assault demonattack krull gopher roadrunner timepilot doubledunk "
        "asterix atlantis breakout phoenix qbert zaxxon icehockey frostbite yarsrevenge "
        "wizardofwor crazyclimber robotank kungfumaster namethisgame fishingderby enduro boxing "
        "gravitar tutankham tennis centipede asteroids kangaroo amidar beamrider bankheist "
        "battlezone skiing spaceinvaders mspacman riverraid freeway alien hero seaquest bowling "
        "berzerk pong privateeye choppercommand montezumarevenge pitfall venture solaris "
        "stargunner videopinball"
    ),
    "DreamerV2 - C51": (
        "jamesbond upndown assault demonattack krull gopher roadrunner timepilot atlantis "
        "doubledunk asterix phoenix qbert zaxxon breakout yarsrevenge icehockey wizardofwor "
        "kangaroo robotank kungfumaster frostbite crazyclimber fishingderby skiing gravitar "
        "boxing asteroids beamrider amidar bankheist enduro centipede battlezone namethisgame "
        "mspacman alien riverraid tutankham bowling berzerk pong pitfall freeway privateeye "
        "solaris montezumarevenge hero choppercommand tennis seaquest spaceinvaders venture "
        "stargunner videopinball"
    ),
}


@pytest.fixture(scope="module")
def figure_4():
    return paper_figures.figure_4(Request())


@pytest.fixture(scope="module")
def figure_e1():
    return paper_figures.figure_e1(Request())


def by_hand(agent, column):
    """The four aggregates of each run number and over all runs, with plain loops."""
    references = {row["Game"]: row for row in curves.table("reference_scores")}

    def of_runs(numbers):
        gamer, record, clipped = [], [], []
        for game in aggregate.games():
            low, high, top = (references[game][key] for key in ("Random", "Gamer", "Record"))
            values = [SOURCE[game][agent][number][column] for number in numbers]
            gamer.append(sum((value - low) / (high - low) for value in values) / len(values))
            parts = [(value - low) / (top - low) for value in values]
            record.append(sum(parts) / len(parts))
            clipped.append(sum(min(part, 1.0) for part in parts) / len(parts))
        median = sorted(gamer)[27]  # of 55
        return [median, sum(gamer) / 55, sum(record) / 55, sum(clipped) / 55]

    return of_runs(range(5)), [of_runs([number]) for number in range(5)]


@pytest.mark.parametrize("agent", ["DQN", "IQN"])
@pytest.mark.parametrize("column,frames", [(0, 99e6), (1, 199e6)])
def test_points_of_figure_4_are_those_computed_by_hand(figure_4, agent, column, frames):
    expected, single = by_hand(agent, column)
    spread = np.std(single, axis=0)
    for number, panel in enumerate(paper_figures.PANELS.values()):
        [point] = [
            point
            for point in figure_4
            if (point["panel"], point["agent"], point["frames"])
            == (panel, f"{agent}, published", frames)
        ]
        assert point["value"] == pytest.approx(expected[number], rel=1e-3)
        assert point["high"] - point["value"] == pytest.approx(spread[number], rel=0.01)
        assert point["value"] - point["low"] == pytest.approx(spread[number], rel=0.01)


def test_figure_4_ends_with_table_1(figure_4):
    last = {(row["panel"], row["agent"]): row for row in paper_figures.last_rows(figure_4)}
    for row in curves.table("table_1"):
        for name, panel in paper_figures.PANELS.items():
            found = last.get((panel, f"{row['Agent']}, published"))
            if found:
                assert round(found["value"], 2) == row[name] and found["frames"] == 199e6
    assert len(last) == 4 * 5


@pytest.mark.parametrize("panel", PRINTED)
def test_figure_e1_has_the_games_in_the_papers_order(figure_e1, panel):
    found = sorted(
        (point for point in figure_e1 if point["panel"] == panel), key=lambda point: point["rank"]
    )
    assert " ".join(curves.game_key(point["game"]) for point in found) == PRINTED[panel]


def test_differences_of_figure_e1_follow_from_table_k1(figure_e1):
    """(DreamerV2 - IQN) / (Gamer - Random), with the printed numbers."""
    found = {
        point["game"]: point["difference"]
        for point in figure_e1
        if point["panel"] == "DreamerV2 - IQN"
    }
    assert found["Road Runner"] == pytest.approx((203576 - 58966) / (7845 - 12), rel=1e-3)
    assert found["Video Pinball"] == pytest.approx((41860 - 415833) / (17668 - 16257), rel=1e-3)
    assert found["Alien"] == pytest.approx((3967 - 4961) / (7128 - 229), rel=2e-3)
    assert len(found) == 55


def test_figure_1_has_the_agents_of_its_caption():
    points = {point["agent"]: point for point in paper_figures.figure_1(Request())}
    medians = {agent: round(point["gamer_median"], 2) for agent, point in points.items()}
    assert medians["DreamerV2, published"] == 2.15 and medians["Rainbow, published"] == 1.47
    assert medians["IQN, published"] == 1.29
    simple = points["SimPLe at 400k, published"]
    assert simple["games"] < 55 and simple["gamer_median"] < 0.5 and simple["frames"] == "0.4M"


def runs_of(tmp_path, *ends, game="Pong"):
    for seed, end in enumerate(ends):
        write_run(tmp_path / f"{game}/{seed}", game=game, seed=seed, end=end)
    return curves.own([str(tmp_path / f"{game}/*")])


def test_bands_are_standard_deviations_or_intervals(tmp_path):
    ours = runs_of(tmp_path, 2.0, 4.0, 9.0)
    request = Request(ours, games=["pong"])
    points = [p for p in paper_figures.figure_f1(request) if p["agent"] == "DreamerV2, ours"]
    end = [p for p in points if p["panel"] == "Pong"][-1]
    deviation = ((2 - 5) ** 2 + (4 - 5) ** 2 + (9 - 5) ** 2) / 3
    assert (end["value"], end["frames"], end["runs"]) == (5.0, 2000.0, "3")
    assert end["high"] == pytest.approx(5 + deviation**0.5)
    assert end["low"] == pytest.approx(5 - deviation**0.5)
    points = paper_figures.figure_f1(request._replace(bands="interval"))
    other = next(p for p in points if p["agent"] == "DreamerV2, ours" and p["frames"] == 2000)
    assert 2.0 <= other["low"] < 5.0 < other["high"] <= 9.0


def test_a_single_run_has_no_band(tmp_path):
    request = Request(runs_of(tmp_path, 2.0), games=["pong"])
    for bands in ("std", "interval"):
        points = paper_figures.figure_f1(request._replace(bands=bands))
        ours = [point for point in points if point["agent"] == "DreamerV2, ours"]
        assert ours and not any("low" in point for point in ours)


def test_figure_f1_has_55_games_and_4_aggregates_whatever_runs_we_have(tmp_path):
    points = paper_figures.figure_f1(Request(runs_of(tmp_path, 2.0, 3.0)))
    assert len({point["panel"] for point in points}) == 59
    ours = {point["panel"] for point in points if point["agent"] == "DreamerV2, ours"}
    assert ours == {"Pong"}  # one game has no aggregate over 55


def test_figures_a2_and_b2_have_the_runs_of_their_task(tmp_path):
    humanoid = paper_figures.figure_a2(Request())
    assert {point["agent"] for point in humanoid} == {"DreamerV2, published"}
    assert humanoid[-1]["runs"] == "10" and 790 < humanoid[-1]["value"] < 820
    request = Request(runs_of(tmp_path, 3.0, game="MontezumaRevenge"))
    rows = {row["agent"]: row for row in paper_figures.last_rows(paper_figures.figure_b2(request))}
    assert len(rows) == 6 and rows["DreamerV2, ours"]["value"] == 3.0
    values = [1900, 2130, 2310, 2500, 2520, 2520]  # the ends of its six runs
    assert rows["DreamerV2 (Montezuma), published"]["value"] == pytest.approx(np.mean(values))


def test_a_run_that_ended_early_keeps_its_last_value():
    """As in the authors' plots: 3 of 8 runs on Breakout ended after 2M frames."""
    points = paper_figures.figure_f1(Request(games=["breakout"]))
    found = [p for p in points if p["panel"] == "Breakout" and "DreamerV2" in p["agent"]]
    assert {point["runs"] for point in found} == {"8"}
    assert round(found[-1]["value"]) == 312  # Table K1
