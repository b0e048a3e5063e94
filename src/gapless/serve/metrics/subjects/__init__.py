"""One module for each subject: snapshots of the parts of a server in, families out."""
