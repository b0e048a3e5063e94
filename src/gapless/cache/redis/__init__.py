"""Redis or Valkey as a second tier."""
