"""The scripts that measure futures run, and say rightly what they found. How fast it was is not tested."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import alula
from suite.cases import CASES, Target
from suite.engines import opened
from suite.loops import LOOPS, rates
from suite.measure import TINY, Bench
from suite.report import medians, shown, table, verdict

FOLDER = Path(__file__).parents[2] / "benchmarks" / "futures"
SECONDS = Target(text="short", over=("ours", "a"), bound=2.0)
RATIO = Target(text="far ahead", over=("ray", "a"), under=("ours", "a"), bound=10.0, least=True)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with opened("ours", TINY) as bench:
        yield bench


@pytest.mark.parametrize("name", CASES)
def test_a_case_gives_every_figure_of_its_rows(name: str, bench: Bench) -> None:
    case = CASES[name]
    assert sorted(case.run(bench)) == sorted(row.key for row in case.rows)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.floor])
def test_a_floor_is_of_the_rows_of_its_case(name: str) -> None:
    case = CASES[name]
    assert case.floor
    floors = case.floor(TINY)
    assert floors
    assert all(value > 0 for figures in floors.values() for value in figures.values())
    assert {key for figures in floors.values() for key in figures} <= {row.key for row in case.rows}


@pytest.mark.parametrize("name", CASES)
def test_a_target_is_of_something_that_is_measured(name: str) -> None:
    case = CASES[name]
    who = {"ours", *case.peers, *(case.floor(TINY) if case.floor else ())}
    named = [key for target in case.targets for key in (target.over, target.under or target.over)]
    assert {each for each, _ in named} <= who
    assert {row for _, row in named} <= {row.key for row in case.rows}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_has_a_rate(name: str, bench: Bench) -> None:
    assert all(rate > 0 for rate in rates(LOOPS[name], alula, 0, 1, times=10))


def test_a_target_is_reached_or_missed_by_a_factor() -> None:
    assert verdict(SECONDS, {"ours": {"a": 1.0}}) == "  reached       short: 1"
    assert verdict(SECONDS, {"ours": {"a": 3.0}}) == "  missed  1.50x short: 3"
    assert verdict(RATIO, {"ours": {"a": 1.0}, "ray": {"a": 20.0}}) == "  reached       far ahead: 20"
    assert verdict(RATIO, {"ours": {"a": 1.0}, "ray": {"a": 5.0}}) == "  missed  2.00x far ahead: 5"


def test_a_target_whose_peer_is_left_out_is_not_measured() -> None:
    assert verdict(RATIO, {"ours": {"a": 1.0}}) == "  not measured  far ahead"
    assert verdict(replace(RATIO, under=("floor", "a")), {"ray": {"a": 1.0}}) == "  not measured  far ahead"


def test_medians_are_over_the_rounds_that_have_the_figure() -> None:
    assert medians([{"a": 1.0}, {"a": 9.0, "b": 4.0}, {"a": 2.0}]) == {"a": 2.0, "b": 4.0}


def test_figures_are_shown_in_units_that_people_read() -> None:
    assert shown("rate", 0.0001) == "10,000/s"
    assert shown("time", 0.0021) == "2.1 ms"
    assert shown("bytes", 855e6) == "855 MB"
    assert shown("share", 0.5) == "50.0 %"


def test_a_table_has_a_line_for_each_engine_with_its_ratio_to_ours() -> None:
    found = {"ray": {"deep": 0.001}, "ours": {"deep": 0.0001}, "floor, pickling": {"deep": 0.00001}}
    _, head, ray, ours, floor, note = table(CASES["deep"], found, {"dask": "left out"})
    assert head.split()[-1] == "tasks"
    assert ray.split() == ["ray", "1,000/s", "x10"]
    assert ours.split() == ["alula", "10,000/s"]
    assert floor.split() == ["floor,", "pickling", "100,000/s", "/10"]
    assert note == "  dask: left out"


def run(script: str, *args: str) -> str:
    command = [sys.executable, str(FOLDER / script), *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_script_prints_a_table_and_what_was_reached() -> None:
    printed = run("bench.py", "sync", "--size", "tiny", "--rounds", "1", "--peers", "")
    assert "one task, and its value" in printed
    assert "floor, two cores" in printed
    assert "not measured  sync p50: at least 20 of ray" in printed


def test_the_loops_are_printed_beside_each_other() -> None:
    printed = run("micro.py", "put calls", "--alone", "--rounds", "1", "--seconds", "0")
    assert [line.split("  ")[0] for line in printed.splitlines()][1:] == [
        "single client put calls",
        "multi client put calls",
    ]
