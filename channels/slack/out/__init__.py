"""What agents say, as Slack shows it: Markdown, tables, long answers, questions with buttons."""
