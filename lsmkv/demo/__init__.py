"""`lsmkv demo`: the main job on data that ships with Python.

story.py    the sections, in the order in which they are told
sources.py  the Unicode names, and the words of the standard library
ledger.py   what must be in the store, as two numbers
crash.py    kills a writing process and counts what it had acknowledged
writer.py   that process
"""
