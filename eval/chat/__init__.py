"""A language model behind a server of the OpenAI chat protocol: one request, one reply."""
