"""`ponderd up`: everything on one machine. The embedded state server and model server, and the
supervisor that starts, watches and stops them."""
