"""Finding turns by what they say: exactly, in any language, with nothing but PostgreSQL.

A turn is known by the lexemes of its texts (`lexemes`). A query (`first_row`) finds candidates by them and is then held
against the texts themselves (`matching`), so that what is found does say it, and what says it is found.
"""
