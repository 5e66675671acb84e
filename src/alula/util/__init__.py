"""Where programs written for Ray look for what stands beside the main names: see the modules inside."""

__all__: list[str] = []
