"""A run as one self-contained web page: pictures and film are inside it, nothing is fetched."""

from __future__ import annotations

import base64
import html
import mimetypes
from pathlib import Path

_STYLE = """
:root{--bg:#f7f8fa;--card:#fff;--line:#d5dae3;--text:#171a21;--text2:#4a5364;--accent:#4553d6}
@media(prefers-color-scheme:dark){:root{--bg:#0e1014;--card:#14171d;--line:#2a303d;--text:#e7e9ee;--text2:#9aa3b4;--accent:#7c8cff}}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.55 Inter,system-ui,sans-serif}
main{max-width:920px;margin:0 auto;padding:40px 20px}h1{font-size:24px;margin:0}h2{font-size:16px;margin:28px 0 8px}
p{color:var(--text2);margin:4px 0 12px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px}
img,video{display:block;max-width:100%;margin:0 auto}.pixels{image-rendering:pixelated}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:10px}
td{padding:6px 12px;border-top:1px solid var(--line)}tr:first-child td{border-top:0}td:first-child{color:var(--text2);width:38%}
td:last-child{font-family:"JetBrains Mono",ui-monospace,monospace;font-size:13px}
"""


def page(title: str, lead: str, sections: list[tuple[str, str, str]]) -> str:
    """The page as text. ``sections``: (heading, sentence, HTML of the figure or table)."""
    parts = "".join(f"<section><h2>{html.escape(h)}</h2><p>{html.escape(p)}</p>{body}</section>" for h, p, body in sections)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<main><h1>{html.escape(title)}</h1><p>{html.escape(lead)}</p>{parts}</main></html>\n"
    )


def figure(path: Path, description: str) -> str:
    """A picture or film of the page, embedded as data."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    data = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    label = html.escape(description, quote=True)
    if kind.startswith("video/"):
        return f'<figure><video src="{data}" aria-label="{label}" autoplay loop muted playsinline controls></video></figure>'
    return f'<figure><img src="{data}" alt="{label}"></figure>'


def table(rows: list[tuple[str, str]]) -> str:
    """A table of names and values."""
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"
