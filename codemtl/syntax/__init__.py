"""Python source as lossless syntax: trees, positions, scopes, sites of candidate edits, edits."""
