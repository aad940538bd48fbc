"""A handful of flows in a real Chromium, for what AppTest cannot see."""
