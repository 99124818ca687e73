"""E-mail. `server` takes mails in, `receive` says what each of them means, `content` what it holds.

wire/ reads a mail as it travels, text/ what a person wrote in it, sender/ who that was and what
proves it; out/ writes the answer.
"""
