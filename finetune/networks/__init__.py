"""Networks of our own, as `transformers` models: they train, save and load like any other."""
