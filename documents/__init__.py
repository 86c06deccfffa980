"""What is stored, and the rules of its state: pure methods, no I/O of their own."""
