-- Drops all jobs with their bytes; what was heard of them stays.

DROP TABLE job_chunks;

DROP TABLE job_files;

DROP TABLE jobs;
