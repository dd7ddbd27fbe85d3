"""Two versions of the bot on one store, as during a deploy: no alert is lost or repeated, and every button works.

`python -m tests.side_by_side` runs an older commit beside this tree, on both stores, in both orders. It is not part
of `make test`, since a checkout may have no history.

| file | content |
| --- | --- |
| `checkout` | the older version, in a temporary work tree |
| `run` | one store and one order: who starts, who is killed, what people do meanwhile |
| `outcome` | what was seen, and the complaints |
"""
