"""People and programs in charge: launch, pause, resume, cancel, decide, replay, fork.
Here are the views that the API shows."""
