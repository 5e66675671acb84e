"""How figures are printed: a table for each case, and every target at the end."""

from collections.abc import Iterable, Mapping
from statistics import median

from .cases import Case, Row, Target, Unit
from .engines import PEERS
from .measure import Figures

__all__ = ["medians", "shown", "table", "verdict"]


def medians(rounds: list[Figures]) -> Figures:
    """Give the median of each figure over the rounds in which it was measured."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: median(figures[name] for figures in rounds if name in figures) for name in names}


def shown(unit: Unit, value: float) -> str:
    """Give a figure as people read it."""
    match unit:
        case "rate":
            return f"{1 / value:,.0f}/s"
        case "share":
            return f"{100 * value:.1f} %"
        case "bytes":
            return _scaled(value, (("B", 1), ("KB", 1e-3), ("MB", 1e-6), ("GB", 1e-9)))
        case "time":
            return _scaled(value, (("us", 1e6), ("ms", 1e3), ("s", 1)))


def _scaled(value: float, units: Iterable[tuple[str, float]]) -> str:
    text = ""
    for unit, factor in units:
        text = f"{value * factor:.3g} {unit}"
        if abs(value * factor) < 1000:
            break
    return text


def table(case: Case, found: Mapping[str, Figures], notes: Mapping[str, str]) -> Iterable[str]:
    """Lay out a case: a line for each engine and floor, with the ratio to ours beside each figure."""
    yield ""
    yield f"{case.title:<62}" + "".join(f"{row.title:>24}" for row in case.rows)
    ours = found.get("ours", {})
    for who, figures in found.items():
        cells = [_cell(row, who, figures, ours) for row in case.rows]
        yield f"  {'alula' if who == 'ours' else who:<60}" + "".join(f"{cell:>24}" for cell in cells)
    for who, note in notes.items():
        yield f"  {'alula' if who == 'ours' else who}: {note}"


def _cell(row: Row, who: str, figures: Figures, ours: Figures) -> str:
    """Give a figure, and beside it how many times ours it is; of a floor, how many times it ours is."""
    value, base = figures.get(row.key), ours.get(row.key)
    if value is None:
        return "-"
    text = shown(row.unit, value)
    if who == "ours" or not base or not value:
        return text
    return f"{text} {f'x{value / base:.3g}' if who in PEERS else f'/{base / value:.3g}':>8}"


def verdict(target: Target, found: Mapping[str, Figures]) -> str:
    """Say whether a target was reached, or by how much it was missed."""
    values = [found.get(who, {}).get(row) for who, row in (target.over, target.under or target.over)]
    over, under = values
    if over is None or under is None:
        return f"  not measured  {target.text}"
    value = over if target.under is None else over / under
    text = f"{target.text}: {shown(target.unit, value) if target.unit else f'{value:.3g}'}"
    if target.reached(value):
        return f"  reached       {text}"
    if not target.bound or not value:
        return f"  missed        {text}"
    short = target.bound / value if target.least else value / target.bound
    return f"  missed {short:5.2f}x {text}"
