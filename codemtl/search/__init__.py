"""Test-guided repair: where the bug may be, what may cure it, and whether the tests then pass."""
