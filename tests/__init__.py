"""The tests, a tree like that of the package."""
