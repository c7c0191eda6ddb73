"""Every block, command, setting and link of the documents, run or looked up as it stands there."""
