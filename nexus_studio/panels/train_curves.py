"""The plots of a run: loss, networks, noise level, gradients, learning rate, throughput; other runs laid over or subtracted;
and its measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import QBoxLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from models_backend.contract.losses import loss_kind
from models_backend.contract.run_layout import RunRecord

from .. import figures, pieces, theme
from ..fitting import ElidedLabel, tip
from ..layouts import give_way
from ..plots.curves import Curves
from ..plots.histogram import Histogram
from ..state.run_view import RunView
from ..state.session import Session
from .train_apart import told_apart
from .train_measures import RunMeasures


@dataclass(frozen=True)
class Plot:
    """One tab: which series it shows ("loss/" means all of that prefix) and its axis; ``losses``: whether those are losses."""

    key: str
    title: str
    series: tuple[str, ...]
    y_label: str
    log: bool = True
    losses: bool = False


PLOTS = (
    Plot("loss", "Loss", ("loss", "validation"), "loss", losses=True),
    Plot("networks", "Networks", ("loss/",), "loss of each network", log=False, losses=True),
    Plot("levels", "Noise level", (), "mean loss"),
    Plot("grad", "Gradients", ("grad/", "grad"), "gradient norm"),
    Plot("lr", "Learning rate", ("lr", "lr/"), "learning rate"),
    Plot("rate", "Throughput", ("rate",), "items a second", log=False),
    Plot("more", "More", (), "", log=False),
    Plot("measures", "Measures", (), ""),
)
#: The letters of a long state: "running · 100,000 / 1,000,000 · 41.2 it/s · 12 h 05 m left".
STATE = 58
#: The least height of a plot with its axis, whatever the text size.
PLOT_PX = 210
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


class Pages(QStackedWidget):
    """Wants the room of the page that is seen, not of the tallest; plots take what is left."""

    def __init__(self):
        super().__init__()
        self.currentChanged.connect(lambda _: self.updateGeometry())

    def _is_plot(self) -> bool:
        return isinstance(self.currentWidget(), Curves | Histogram)

    def hasHeightForWidth(self) -> bool:
        return self.currentWidget().hasHeightForWidth()

    def heightForWidth(self, width: int) -> int:
        page = self.currentWidget()
        return page.layout().minimumHeightForWidth(width) if self._is_plot() else page.heightForWidth(width)

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint() if self._is_plot() else self.currentWidget().sizeHint()

    def minimumSizeHint(self) -> QSize:
        return self.currentWidget().minimumSizeHint()


class RunCurves(QWidget):
    """Tabs over one plot. Tabs without figures are not there; the last one measures the run."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._over: list[str] = []
        self._told: list[RunRecord] = []
        self._log = {plot.key: plot.log for plot in PLOTS}
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setAccessibleName(self.tr("Plots"))
        self.state = give_way(ElidedLabel(side=Qt.AlignmentFlag.AlignRight))
        theme.scaled(self.state, lambda state: state.setMinimumWidth(theme.px(56)))
        self.subtract = pieces.chip_button(self.tr("difference"))
        self.subtract.setToolTip(self.tr("Show the compared runs minus the chosen one"))
        self.subtract.hide()
        self.unlike = pieces.label("", "warn", lines=2)
        self.unlike.setContentsMargins(14, 2, 12, 2)
        self.unlike.hide()
        self.apart = pieces.label("", "hint", lines=2)
        self.apart.setContentsMargins(14, 2, 12, 2)
        self.apart.hide()
        self.curves = Curves(hint=self.tr("Curves grow here while a run trains."), least=PLOT_PX)
        self.curves.header.title.hide()
        self.levels = Histogram(x_label=self.tr("noise level, clean to noise"), hint=self.tr("No figures by noise level yet."))
        self.levels.setContentsMargins(12, 0, 12, 0)
        self.measures = RunMeasures(session)
        self.pages = Pages()
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
        tabs = pieces.row(self.tabs, self.subtract, spacing=8)
        self._line = pieces.row(spacing=8, margins=(6, 2, 12, 0))
        self._line.addLayout(tabs)
        self._line.addWidget(self.state, 1)
        layout.addLayout(self._line)
        layout.addWidget(self.unlike)
        layout.addWidget(self.apart)
        layout.addWidget(self.pages, 1)

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):  # tabs come and go with what a run tells
            self._arrange()
        return super().event(event)

    def _arrange(self) -> None:
        """The state stands beside the tabs where there is room for the longest one, else below them: not one that comes and
        goes with its figures. That of a run that has ended stays as it is."""
        longest = self.state.sizeHint().width() if self._view is not None and self._view.ended else self._longest()
        wanted = self.tabs.sizeHint().width() + longest + 40
        beside = wanted + (self.subtract.sizeHint().width() if self.subtract.isVisibleTo(self) else 0) <= self.width()
        self._line.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)
        self._line.setSpacing(8 if beside else 0)

    def _longest(self) -> int:
        return self.state.fontMetrics().horizontalAdvance("0" * STATE)

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
        self._tell_unlike(others)
        self._tell_apart(others)
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

    def _tell_unlike(self, others: list[RunView]) -> None:
        """Say which losses have no common scale; their difference would mean nothing."""
        words, unlike = "", []
        if self._view is not None and self.plot.losses:
            unlike = [other for other in others if self._kind(other) != self._kind(self._view)]
        if unlike:
            *first, last = [f"“{view.record.title}”" for view in (self._view, *unlike)]
            words = self.tr("The losses of {0} and {1} are of different kinds: their heights cannot be compared")
            words = words.format(", ".join(first), last)
            with QSignalBlocker(self.subtract):
                self.subtract.setChecked(False)
        pieces.allow(self.subtract, not words, words)
        self.unlike.setText(words)
        self.unlike.setVisible(bool(words))

    def _tell_apart(self, others: list[RunView]) -> None:
        """What sets the runs apart that are laid over one another, the chosen one first."""
        records = [view.record for view in (self._view, *others)] if self._view is not None and others else []
        if records == self._told:
            return
        self._told = records
        line, whole = told_apart(self._session, records) if records else ("", "")
        self.apart.setText(line)
        self.apart.setToolTip(tip(whole))
        self.apart.setVisible(bool(line))

    def _kind(self, view: RunView) -> dict[str, Any]:
        return loss_kind(view.record, self._session.catalogue.get(view.record.family))

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
            title = other.record.title
            if subtract:
                title = self.tr("{0} minus {1}").format(title, view.record.title)
                steps, values = difference(steps, values, view.series(name))
            self.curves.set_curve(key, steps, values, title, color=len(names) + place, raw=False, dashed=True)
            keys.append(key)
        self.curves.keep_only(keys)
        self.curves.set_marks(view.marks)
