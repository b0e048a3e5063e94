"""Open Sound Control: events to SuperDirt and whatever else understands it, programs from editors."""
