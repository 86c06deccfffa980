"""Tests of what runs Quire."""
