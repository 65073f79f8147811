"""Int8 exports: find layers, collect activation ranges, quantise, compare with the float run."""
