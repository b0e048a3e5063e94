"""What the interfaces are, for programs and people: the OpenAPI document and its page, built from the code."""
