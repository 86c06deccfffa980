"""Things that die, freeze, fill up and lie, under load; and a checker that is itself checked."""
