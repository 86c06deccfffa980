"""What runs Quire: settings, command line, child servers, checks and benchmarks. It knows all other layers."""
