"""Slack: events and button clicks come in, posts with blocks go out. Only this folder knows Slack's
markup."""
