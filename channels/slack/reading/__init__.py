"""What people write in Slack, as the agent reads it: markup, blocks, forwards, emoji, names."""
