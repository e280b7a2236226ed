"""What users can do, one module per subject; each function reads top to bottom.

A use-case takes the `Core` and the authenticated user's id, checks, acts, and returns the answer's
protobuf message. It knows no transport.
"""
