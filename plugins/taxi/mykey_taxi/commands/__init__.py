"""The commands of `mykey taxi`, a module for each subject."""
