"""The network: configuration, tokenizer, encoder, heads. Importing this package loads no torch."""
