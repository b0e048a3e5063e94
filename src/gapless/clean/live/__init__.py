"""The sound of a cleaned microphone: what the callback does with every block, and the thread beside it."""
