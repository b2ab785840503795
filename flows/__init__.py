"""Front doors: the command line and the Prefect flows."""
