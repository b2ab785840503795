"""Pictures that look alike: not there yet."""
