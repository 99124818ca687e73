"""SMS by Twilio: messages of people as triggers, answers as messages to their telephones."""
