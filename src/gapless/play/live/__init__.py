"""A program that sounds while it is written."""
