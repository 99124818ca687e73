"""What a person wrote: HTML as it is seen, apart from quoted mails and what relays add."""
