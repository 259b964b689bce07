"""What the commands take, a file a group: declarations for argparse, and nothing that runs.

Each function declares the command it is named after (import_ is `import`); the table GROUPS in parser.py says which
there are. Only the file of the command that was typed is imported.
"""
