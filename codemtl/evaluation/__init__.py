"""How good a model is: frozen cases, every metric with its interval, rivals in the same run.

frozen list + corpus → cases → predictions of the model and its rivals → figures, examples
"""
