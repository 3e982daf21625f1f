"""The main job in one command: a real trace through the whole system."""
