"""Where models come from: folders, what they say, and what of it is in memory."""
