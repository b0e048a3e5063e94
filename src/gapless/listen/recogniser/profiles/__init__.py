"""Models that people have, made into recognisers: what each kind of export means, written out once when it is added."""
