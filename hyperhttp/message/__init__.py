"""What is said: requests, responses and their parts."""
