"""``codemtl finetune``: a model taught a team's own code, and judged by what they wrote later.

`run` is the way through: mine and divide the histories (`corpus.divide`), measure the model as it
is, train (`training.tuning`), measure again. `state` keeps what each stage came to, so
that an interrupted call goes on where it stopped.
"""
