"""One task's trained adapter: its folder, and what is made of several."""
