"""The queue of jobs, as all databases have it in common; a database adds how it runs what is asked of it."""
