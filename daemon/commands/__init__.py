"""Commands that talk to a running daemon or read its data: runs, approvals, chat, thinking, replay,
doctor."""
