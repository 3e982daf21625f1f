"""What ties Taximeter to frameworks: a file each, imported only by who asks for it."""
