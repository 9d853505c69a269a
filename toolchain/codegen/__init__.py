"""Wrappers in an app's language: one typed class per bundle, and its golden test."""
