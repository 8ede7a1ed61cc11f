"""The standalone image baseline: one image, two tasks, one network.

Multi-task learning on images, to be compared with the same on code: classification of the image
(``cls``) and detection of what is in it (``det``), L = Σ_i λ_i L_i. Nothing here knows of the rest
of the package but its errors.
"""
