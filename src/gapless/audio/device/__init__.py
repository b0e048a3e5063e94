"""Sound devices: microphones, through PortAudio."""
