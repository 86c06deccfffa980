"""What is true of the embedded broker alone: its journal, and what it shows to operations."""
