"""Markdown as agents write it, read the same for every channel."""
