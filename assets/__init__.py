"""What is made, in the order in which it is made; the checks stand beside their asset."""
