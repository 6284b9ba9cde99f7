"""Fixtures for all tests."""

from tests.gloo import gloo

__all__ = ["gloo"]
