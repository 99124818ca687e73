"""What an agent is: `Agent`, its tools, its actions and its policies, and how its file is found.
An agent is data; nothing here runs one."""
