"""Questions with known answers, put to a model that serves now, and the workers' own policy
walked over the outcomes."""
