"""The tools of the shipped agents: calculator, clock, waiting, deployments. Each tool is one
function."""
