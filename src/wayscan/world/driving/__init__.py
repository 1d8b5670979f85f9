"""What drives are made of: cases and their shares, settings, what stands about, who sees whom, words."""
