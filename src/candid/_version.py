"""The version of Candid: the package's and the one that runs record."""

__version__ = "0.1.0"
