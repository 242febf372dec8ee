"""A child that runs its programs in WebAssembly under Node: the second implementation of a language's runtime."""
