"""What runs Quire: settings, command line, child servers, checks and benchmarks. The only layer that knows all others."""
