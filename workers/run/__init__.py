"""What happened and what is true: events, the state that they fold into, and the fold.
Pure. Of the rest of ponderd, only channels.message and channels.event_ref are imported."""
