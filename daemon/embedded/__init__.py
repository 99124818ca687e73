"""The parts that `ponderd up` brings along where none are configured: model file and servers."""
