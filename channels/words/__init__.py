"""Words that messages are read by, in the languages that people write in."""
