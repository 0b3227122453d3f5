"""One file per module of the library; each registers its cases when it is imported."""
