"""The large views of a step: one a channel, pictures or points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from ..pieces import column, label
from ..viewers.image_view import ImageView
from ..viewers.points_view import PointsView
from .trajectory_recording import STATES, Recording


class ChannelViews(QWidget):
    """Up to four channels side by side. Points show densities, and the vector field over x where it is known."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(12, 0, 12, 4)
        self._layout.setSpacing(10)
        self.views: dict[str, ImageView | PointsView] = {}
        self._together: bool | None = None

    def arrange(self, recording: Recording, wanted: Sequence[str] = ()) -> None:
        """Makes one view for each channel of a recording that is wanted."""
        names = recording.names(wanted)
        if list(self.views) == names and self._together == recording.together:
            return
        self._together = recording.together
        for old in self.findChildren(QWidget, options=self._direct()):
            self._layout.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.views = {}
        for place, name in enumerate(names):
            view = PointsView() if recording.together else ImageView()
            view.setAccessibleName(recording.title(name))
            self.views[name] = view
            self._layout.addWidget(self._titled(view, recording.title(name)), 0, place)
            self._layout.setColumnStretch(place, 1)
        for place in range(len(names), 8):
            self._layout.setColumnStretch(place, 0)

    @staticmethod
    def _titled(view: ImageView | PointsView, title: str) -> QWidget:
        """A view over its title; pictures write theirs themselves, close below what they show."""
        if isinstance(view, ImageView):
            view.caption = title
            return view
        cell = QWidget()
        cell.setLayout(column(view, label(title, "mono"), spacing=4))
        cell.layout().setStretch(0, 1)
        return cell

    @staticmethod
    def _direct():
        from PySide6.QtCore import Qt

        return Qt.FindChildOption.FindDirectChildrenOnly

    def show_step(self, recording: Recording, step: int, item: int, other: tuple[Recording, int] | None,
                  field: tuple[np.ndarray, tuple[float, float, float, float]] | None) -> None:  # fmt: skip
        """Shows a step; ``other`` (recording, its step) lies over it; ``field`` (n, n, 2) with its bounds, for points."""
        for name, view in self.views.items():
            if recording.together:
                self._show_points(view, recording, name, step, other, field)
            else:
                view.set_picture(recording.picture(name, step, item), recording.title(name))
                over = other is not None and name in other[0].channels
                view.set_comparison(other[0].picture(name, other[1], min(item, other[0].count - 1)) if over else None)

    def _show_points(self, view: PointsView, recording: Recording, name: str, step: int, other, field) -> None:
        bounds = bounds_of_channel(recording, name)
        view.set_bounds(bounds)
        view.set_points(recording.points(name, step))
        over = other is not None and name in other[0].channels
        view.set_overlay(other[0].points(name, other[1])[:400] if over else np.empty((0, 2)))
        if name == "x" and field is not None:
            view.set_field(*field)
        else:
            view.set_field(None)


class Plots(QWidget):
    """Plots side by side, equally wide. They take the height they are given: words that wrap in them ask for no more."""

    def __init__(self, *plots: QWidget):
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 10)
        layout.setSpacing(10)
        for plot in plots:
            layout.addWidget(plot, 1)

    def hasHeightForWidth(self) -> bool:
        return False


def bounds_of_channel(recording: Recording, name: str) -> tuple[float, float, float, float]:
    """One window for both states over all steps (so that nothing jumps), one for each direction."""
    key = "x" if name in STATES else name
    values = recording.channels[key].reshape(-1, recording.channels[key].shape[-1])[:, :2].astype(np.float32)
    reach = float(np.quantile(np.abs(values[np.isfinite(values).all(axis=1)]), 0.998)) * 1.1 or 1.0
    return (-reach, reach, -reach, reach)
