"""One file a task: example format, targets, decoding of scores into edits or text, metric."""
