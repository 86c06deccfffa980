"""`quire check`: a real system's database passes, and every planted violation is named."""
