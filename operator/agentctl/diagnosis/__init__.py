"""What is wrong with an agent: pure functions from objects to findings. `agentctl doctor` prints them."""
