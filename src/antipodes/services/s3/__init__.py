"""Amazon S3, thin: buckets and whole objects."""
