"""`ponderd up`: everything on one machine. The embedded state server and model server, and who
starts, watches and ends them."""
