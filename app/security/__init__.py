"""Who somebody is, what they may do, and the secrets behind both."""
