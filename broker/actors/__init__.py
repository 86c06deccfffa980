"""Actors: mailboxes, batches, and the one commit loop that works them off."""
