"""From the files of other systems to drafts of our tunnels: pure, with what is on disk behind draft.Files.

One module for each system, and others for what they share. Nothing here shows what may be a secret: a note names a
place, and what is known to be no secret.
"""
