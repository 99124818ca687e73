"""What an agent is: `Agent`, its tools, actions and policies, and how its file is found. An agent
is data. Nothing here runs one."""
