"""Templates of repairs, one family a file: each looks at one node and proposes edits there.

    wrap           distance = elem - elem2         ->  distance = abs(elem - elem2)
    drop-operand   return number % 1.0 + 1.0       ->  return number % 1.0
    add-condition  elif i % 3 != 0:                ->  elif i % 4 == 0 and i % 3 != 0:

What one small edit of the closed vocabulary can do comes from ``syntax.sites``; these add what it
cannot. How probable a rule is stands in ``search.priors``.
"""
