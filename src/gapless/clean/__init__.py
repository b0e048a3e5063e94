"""Noisy audio in, clean audio out."""
