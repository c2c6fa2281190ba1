"""The applications of the emulated card, a module each: files, access rules, and commands of their own.

What the files contain is made elsewhere (`jpki/`, `contents/`).
"""
