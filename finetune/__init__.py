"""Training side: fine-tune, evaluate, feed back."""
