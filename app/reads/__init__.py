"""What is read: documents as the contract shows them."""
