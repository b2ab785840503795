"""The parts of the quality suite: each module has `measure(truth) -> dict`, the figures of its part."""
