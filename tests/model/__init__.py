"""What a store must do, in plain Python, and the rules of the game in which both are played against each other.

    kinds         what key number 7 or value number 12 is, for each codec
    span          a range of keys
    space         a key space as a dict of cells, with every method of LSM
    transaction   a key space seen by a transaction, which remembers what it read; whether it must conflict
    history       the states a store has been through: what a crash may leave
    crash         a directory as a killed process, or a power cut, leaves it
    world         a store and its model side by side
    rules         what may be done to both, a class for each concern

tests/test_model.py puts the rules together and plays.
"""
