"""E-mail: server takes mails in, receive says what each means, content what it holds. wire/ is a
mail as it travels, text/ what a person wrote in it, sender/ who that was and what proves it, and
out/ the answer."""
