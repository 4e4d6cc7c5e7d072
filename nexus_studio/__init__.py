"""Nexus Studio: the Qt application. It never imports torch; models live in worker processes."""

__version__ = "0.1.0"
