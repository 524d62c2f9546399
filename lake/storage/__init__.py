"""Places that keep bytes: a local folder, S3."""
