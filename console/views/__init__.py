"""What a person sees in the terminal: Rich renderables made from plain values."""
