"""Files of prompts: taken in, kept once, referred to by turns, shown to models, swept away."""
