"""The plots of a run: loss, networks, noise level, gradients, learning rate, throughput; other runs laid over or subtracted;
and its measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget

from .. import figures, pieces, theme
from ..fitting import give_way
from ..plots.curves import Curves
from ..plots.histogram import Histogram
from ..state.run_view import RunView
from ..state.session import Session
from .train_measures import RunMeasures


@dataclass(frozen=True)
class Plot:
    """One tab: which series it shows ("loss/" means all of that prefix) and its axis."""

    key: str
    title: str
    series: tuple[str, ...]
    y_label: str
    log: bool = True


PLOTS = (
    Plot("loss", "Loss", ("loss", "validation"), "loss"),
    Plot("networks", "Networks", ("loss/",), "loss of each network", log=False),
    Plot("levels", "Noise level", (), "mean loss"),
    Plot("grad", "Gradients", ("grad/", "grad"), "gradient norm"),
    Plot("lr", "Learning rate", ("lr", "lr/"), "learning rate"),
    Plot("rate", "Throughput", ("rate",), "items a second", log=False),
    Plot("more", "More", (), "", log=False),
    Plot("measures", "Measures", (), ""),
)
TITLES = {"loss": "train", "validation": "validation", "lr": "learning rate", "rate": "items/s"}


def chosen(plot: Plot, names: list[str]) -> list[str]:
    """The series of a run that a tab shows; "More" shows those that no other tab does."""
    if plot.key == "more":
        taken = {name for other in PLOTS if other.key != "more" for name in chosen(other, names)}
        return sorted(name for name in names if name not in taken)
    exact = [name for name in plot.series if name in names]
    return exact + sorted(n for n in names for prefix in plot.series if prefix.endswith("/") and n.startswith(prefix))


def difference(steps: np.ndarray, values: np.ndarray, base: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A curve minus another, at the steps that both cover."""
    if not len(base[0]):
        return steps[:0], values[:0]
    common = (steps >= base[0][0]) & (steps <= base[0][-1])
    return steps[common], values[common] - np.interp(steps[common], *base)


class RunCurves(QWidget):
    """Tabs over one plot. Tabs without figures are not there; the last one measures the run."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._over: list[str] = []
        self._log = {plot.key: plot.log for plot in PLOTS}
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setAccessibleName(self.tr("Plots"))
        self.state = give_way(pieces.ElidedLabel(side=Qt.AlignmentFlag.AlignRight))
        theme.scaled(self.state, lambda state: state.setMinimumWidth(theme.px(56)))
        self.subtract = pieces.chip_button(self.tr("difference"))
        self.subtract.setToolTip(self.tr("Show the compared runs minus the chosen one"))
        self.subtract.hide()
        self.curves = Curves(hint=self.tr("Curves grow here while a run trains."))
        self.curves.header.title.hide()
        self.levels = Histogram(x_label=self.tr("noise level, clean to noise"), hint=self.tr("No figures by noise level yet."))
        self.levels.setContentsMargins(12, 0, 12, 0)
        self.measures = RunMeasures(session)
        self.pages = QStackedWidget()
        for page in (self.curves, self.levels, self.measures):
            self.pages.addWidget(page)
        self._lay_out()
        self.tabs.currentChanged.connect(lambda _: self._change_tab())
        self.subtract.toggled.connect(lambda _: self.refresh())
        self.curves.log_chip.toggled.connect(self._keep_log)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        line = pieces.row(self.tabs, self.subtract, self.state, spacing=8, margins=(6, 2, 12, 0))
        line.setStretch(2, 1)
        layout.addLayout(line)
        layout.addWidget(self.pages, 1)

    # ------------------------------------------------------------------------------------------- contents

    def show_run(self, view: RunView | None) -> None:
        """Show another run."""
        self._view = view
        self.curves.clear()
        self.refresh()
        self.curves.fit()

    def compare(self, runs: list[str]) -> None:
        """Lay these runs over the chosen one."""
        self._over = runs
        self.refresh()

    @property
    def plot(self) -> Plot:
        """The plot of the current tab."""
        key = self.tabs.tabData(self.tabs.currentIndex())
        return next((plot for plot in PLOTS if plot.key == key), PLOTS[0])

    def choose(self, key: str) -> None:
        """Go to a tab, if it is there."""
        for place in range(self.tabs.count()):
            if self.tabs.tabData(place) == key:
                self.tabs.setCurrentIndex(place)

    def _change_tab(self) -> None:
        self.curves.clear()
        self.curves.set_log(self._log[self.plot.key])
        self.refresh()
        self.curves.fit()

    def _keep_log(self, log: bool) -> None:
        self._log[self.plot.key] = log

    def refresh(self) -> None:
        """Bring the plot up to date with the run."""
        self._refresh_tabs()
        others = self._others()
        page = {"levels": self.levels, "measures": self.measures}.get(self.plot.key, self.curves)
        self.subtract.setVisible(bool(others) and page is self.curves)
        self.pages.setCurrentWidget(page)
        self.measures.show_run(self._view)
        if self._view is None:
            self.curves.clear()
            self.levels.set_bars(np.empty(0))
            return
        if page is self.levels:
            self.levels.set_bars(np.array(self._view.levels.losses if self._view.levels else [], dtype=np.float64))
        elif page is self.curves:
            self._draw(others)

    def _others(self) -> list[RunView]:
        views = [self._session.runs.view(run) for run in self._over if self._view is None or run != self._view.id]
        return [view for view in views if view is not None]

    def _refresh_tabs(self) -> None:
        names = self._view.names if self._view else []
        wanted = [p for p in PLOTS if chosen(p, names) or p.key == "loss" or self._has_levels(p) or self._can_measure(p)]
        known = [self.tabs.tabData(place) for place in range(self.tabs.count())]
        if known == [plot.key for plot in wanted]:
            return
        key = self.plot.key
        self.tabs.blockSignals(True)
        while self.tabs.count():
            self.tabs.removeTab(0)
        for plot in wanted:
            self.tabs.setTabData(self.tabs.addTab(self.tr(plot.title)), plot.key)
        self.choose(key)
        self.tabs.blockSignals(False)

    def _has_levels(self, plot: Plot) -> bool:
        return plot.key == "levels" and self._view is not None and self._view.levels is not None

    def _can_measure(self, plot: Plot) -> bool:
        return plot.key == "measures" and self._view is not None

    def _draw(self, others: list[RunView]) -> None:
        plot, view = self.plot, self._view
        self.curves.y_label = plot.y_label
        if self.curves.axes is not None:
            self.curves.axes.set_labels(self.curves.x_label, plot.y_label)
        names = chosen(plot, view.names)
        subtract = bool(others) and self.subtract.isChecked()
        keys = [] if subtract else list(names)
        for place, name in enumerate([] if subtract else names):
            title = TITLES.get(name) or figures.series_title(name)
            sparse = name == "validation"
            self.curves.set_curve(name, *view.series(name), title, color=place, raw=not sparse, smooth=not sparse)
        for place, other in enumerate(others):
            name = names[0] if names else "loss"
            key = f"{other.id}/{name}"
            steps, values = other.series(name)
            if subtract:
                steps, values = difference(steps, values, view.series(name))
            self.curves.set_curve(key, steps, values, other.record.title, color=len(names) + place, raw=False, dashed=True)
            keys.append(key)
        self.curves.keep_only(keys)
        self.curves.set_marks(view.marks)
