"""From the files of other systems to drafts of our tunnels: pure, with what is on disk behind draft.Files.

One module for each system, and what they share: draft.py, yamltext.py, words.py, options.py, secrets.py, shell.py,
routing.py. Nothing here shows what may be a secret: a note names a place and what is known to be no secret.
"""
