"""E-mail: an SMTP server that receives, a client that sends. What is a mail's own is here, too:
addresses, authentication, quoted text."""
