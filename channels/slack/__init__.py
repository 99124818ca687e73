"""Slack: events and button clicks come in, posts with blocks go out. Slack's markup stays in this
folder."""
