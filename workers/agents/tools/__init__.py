"""The tools of the shipped agents: calculator, clock, waiting, deployments. A tool is one
function."""
