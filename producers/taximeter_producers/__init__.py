"""What other people's services import: emitters, and what fills them. Thin."""
