"""What the pointer tells of an item: a larger picture, its file, and everything that is known of it."""

from __future__ import annotations

import base64
from html import escape

from PySide6.QtCore import QBuffer, QIODevice, Qt
from PySide6.QtGui import QImage

from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, Item

from .data_paths import below, dropped_folder, shown_name

LARGE_PX = 224
SPLITS = {"train": "for training", "validation": "held out", LEFT_OUT: "left out"}


def tip(record: DatasetRecord, items: list[Item], index: int, image: QImage | None, shown: str = "") -> str:
    """Rich text for a tooltip; ``shown``: how the picture is shown. Names and captions are the user's: they are shown as they
    are, never read as markup."""
    item, folder = items[index], dropped_folder(record.roots)
    lines = [f"<b>{_plain(below(item.source, folder))}</b>"]
    size = f"{item.width:,} × {item.height:,} px" if item.width else ""
    name = record.classes[item.label] if 0 <= item.label < len(record.classes) else ""
    facts = [f"#{index}", size, f"class {name}" if name else "", SPLITS.get(item.split, item.split)]
    lines.append(_plain(" · ".join(filter(None, facts))))
    if item.duplicate_of >= 0:
        lines.append(_plain(f"{'A copy of' if item.exact else 'Looks like'} {below(items[item.duplicate_of].source, folder)}"))
    known = [f"{a.name} {value:g}" for a, value in zip(record.attributes, item.attributes) if value is not None]
    lines += [_plain(", ".join(known))] if known else []
    lines += [_plain(item.caption)] if item.caption else []
    lines += [f"<i>{_plain(shown)}</i>"] if shown else []
    picture = f'<img src="data:image/png;base64,{_png(image)}"><br>' if image is not None else ""
    return f"<div style='max-width: 320px'>{picture}{'<br>'.join(lines)}</div>"


def _plain(text: str) -> str:
    return escape(shown_name(text))


def _png(image: QImage) -> str:
    large = image.scaled(LARGE_PX, LARGE_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    large.save(buffer, "PNG")
    return base64.b64encode(bytes(buffer.data())).decode()
