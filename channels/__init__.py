"""Channels know messages: how one comes in and how its answer goes back."""
