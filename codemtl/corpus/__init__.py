"""Where examples come from: source trees, licences, exclusions, deduplication, frozen splits."""
