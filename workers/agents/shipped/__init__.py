"""The agents that come with ponderd, one per file. Like an operator's agents, they import only the
public face."""
