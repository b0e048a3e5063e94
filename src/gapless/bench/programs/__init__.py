"""What is run by other programs than this Python: a program to play, a kernel in C++, a script."""
