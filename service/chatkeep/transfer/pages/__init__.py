"""Conversations as pages of HTML that are read alone: from a disk, without this service and without a network."""
