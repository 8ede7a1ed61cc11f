"""Joint training: prepared shards, the task mixture, the Accelerate loop, evaluation."""
