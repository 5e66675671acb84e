"""``python -m alula`` is the program ``alula``."""

from .cli import main

if __name__ == "__main__":
    main()
