"""Draws a run as SVG: one panel of horizontal bars for each comparison."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.libraries import BARE, OURS
from benchmarks.measures import Measure
from benchmarks.report import number
from benchmarks.samples import Run

__all__ = ["plot"]

_COLOURS: Final = {OURS.name: "#c2410c", BARE.name: "#94a3b8"}
_WIDE: Final = 20
"""From this ratio of the highest to the lowest on, the bars are logarithmic."""
_SHOWN: Final = ("process", "bulk", "callers", "one_by_one", "latency_median", "nap", "sync", "calls", "stored", "memory_rss")


def plot(run: Run, measures: Sequence[Measure]) -> str:
    """Return the picture as SVG text; the same run gives the same text."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "typedtasks", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"})
    from matplotlib import pyplot

    titles = {metric.name: (measure, metric) for measure in measures for metric in measure.metrics}
    panels = [name for name in _SHOWN if name in titles and any(sample.metric == name for sample in run.samples)]
    rows = max((len(panels) + 1) // 2, 1)
    figure, axes = pyplot.subplots(rows, 2, figsize=(11, 2.9 * rows), squeeze=False)
    for axis, name in zip(axes.flat, panels, strict=False):
        measure, metric = titles[name]
        libraries = [library.name for library in measure.libraries if run.spread(name, library.name)]
        title = f"{measure.title}: {metric.title}" + (f", {metric.unit}" if metric.unit in ("ms", "MiB") else "")
        _panel(axis, run, name, libraries, title, metric.higher_is_better)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return text.getvalue()


# Any: matplotlib is there for the benchmark only, so elsewhere its axes have no type.
def _panel(axis: Any, run: Run, metric: str, libraries: Sequence[str], title: str, higher_is_better: bool) -> None:
    spreads = {name: spread for name in libraries if (spread := run.spread(metric, name))}
    ordered = sorted(spreads, key=lambda name: spreads[name].median, reverse=not higher_is_better)
    medians = [spreads[name].median for name in ordered]
    is_wide = min(medians) > 0 and max(medians) / min(medians) > _WIDE
    errors = [[spreads[n].median - spreads[n].low for n in ordered], [spreads[n].high - spreads[n].median for n in ordered]]
    axis.barh(ordered, medians, xerr=errors, color=[_COLOURS.get(name, "#475569") for name in ordered], height=0.7, capsize=2)
    if is_wide:
        axis.set_xscale("log")
        axis.set_xlim(min(medians) / 3, max(medians) * 4)
    else:
        axis.set_xlim(0, max(medians) * 1.15)
    axis.xaxis.set_major_formatter(lambda value, _: number(value))
    axis.minorticks_off()
    for place, (name, median) in enumerate(zip(ordered, medians, strict=True)):
        axis.annotate(number(median), (spreads[name].high, place), (4, 0), textcoords="offset points", va="center")
    direction = "more is better" if higher_is_better else "less is better"
    axis.set_title(f"{title}\n({direction}{', logarithmic' if is_wide else ''})", fontsize=9, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
