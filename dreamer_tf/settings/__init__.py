"""Gin parameters: what each of them may be, and the check of every value."""
