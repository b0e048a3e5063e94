"""The network edge: one module per wire dialect over one session core."""
