"""What can be counted and timed of a server, for Prometheus at ``/metrics``."""
