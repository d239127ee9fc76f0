"""Mail servers: where one is, how to reach it, what is said to it, and what its answers mean."""
