"""E-mail: an SMTP server receives, a client sends. Addresses, authentication and quoted text, which
only mail has, are here too."""
