"""What sounds by itself: waves that repeat, strings, drums."""
