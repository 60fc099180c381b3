"""`python -m micropie`, the same as the command `micropie`."""

from micropie._command.main import main

if __name__ == "__main__":
    main()
