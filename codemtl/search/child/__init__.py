"""What runs inside the sandbox, under the user's interpreter: the standard library only.

These files are started by path as the package ``_codemtl_child`` (see ``sandbox.BOOT``), so that
neither codemtl nor anything that it needs must be installed beside the user's tests. They keep to
Python 3.9.
"""
