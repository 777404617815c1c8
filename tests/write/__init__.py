"""Tests of writing and publishing."""
