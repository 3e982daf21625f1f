"""From usage events to charges, spend and budget alerts, on Faust."""
