"""Accounts over HTTP, on a real database: who may register, sign in, stay signed in, and change what."""
