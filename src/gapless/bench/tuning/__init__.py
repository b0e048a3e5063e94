"""Settings found by trying: races between candidates, the loads they are tried with, and what a race decides."""
