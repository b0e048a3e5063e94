"""Getting models from a model hub: what there is, what a repository holds, fetching files, fetching a whole model."""
