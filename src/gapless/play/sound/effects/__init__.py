"""Effects: units that do more to a sound than weigh its frequencies."""
