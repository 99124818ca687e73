"""A mail as it travels: headers, addresses and ids, parts and their encodings."""
