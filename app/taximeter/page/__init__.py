"""The page that people look at: HTML made here, a small script, and no other site."""
