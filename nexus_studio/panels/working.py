"""A line that says what is being made here, how far it is and for how long, with a way to stop it."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from ..pieces import button, column, label, meter, row
from ..shell.words import activity_figures, how_far
from ..state.jobs import Activity


class Working(QWidget):
    """Follows an activity; takes no room while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self.words, self.bar = label("", "hint", lines=2), meter()
        self.stop = button(self.tr("Stop"), "", self._stop)
        line = row(column(self.words, self.bar, spacing=4), self.stop, spacing=8, margins=(12, 6, 12, 6))
        line.setStretch(0, 1)
        self.setLayout(line)
        self._ageing = QTimer(self, interval=500)
        self._ageing.timeout.connect(self._draw)
        self.hide()

    def follow(self, activity: Activity | None) -> None:
        """Shows an activity until the next one, or None."""
        if self._activity is not None:
            self._activity.changed.disconnect(self._draw)
        self._activity = activity
        if activity is not None:
            activity.changed.connect(self._draw)
            self._ageing.start()
        else:
            self._ageing.stop()
        self.setVisible(activity is not None)
        self._draw()

    def _draw(self) -> None:
        if self._activity is not None:
            self.words.setText(" · ".join([self._activity.title, *activity_figures(self._activity)]))
            self.bar.setValue(how_far(self._activity))
            self.stop.setVisible(self._activity.can_cancel)

    def _stop(self) -> None:
        if self._activity is not None:
            self._activity.cancel()
