"""Fit the machine: what it has, what was measured on it, and the settings that follow.

``probe`` reads ``Facts``; ``plan`` makes settings of them; ``fit`` puts these in the place of those that nobody set;
``watch`` plans again when the machine changes.
"""
