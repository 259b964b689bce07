"""Where a failure does not come out of the call, and why: function:call -> the reason. Every other failure must."""

SWALLOWED = {
    # A finalizer has nobody to raise it to: it is shown as unraisable.
    "store_finalize:PyErr_ResourceWarning": "a warning turned into an error, in a finalizer",
}
