"""The agents that come with ponderd, one a file. They import only the public face, as an
operator's own agents do."""
