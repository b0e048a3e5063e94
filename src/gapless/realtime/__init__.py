"""The zone without locks, allocation or the interpreter: what runs between a device and the samples."""
