"""Candidates that want to win by speaking to the judge: our own texts, against judges that do what they are told."""
