"""A small CLIP in the box: its vocabulary, its drawings, and the code that trained it.

It knows drawings of about five hundred things, not photos: enough to try Shoebox, and to test
it, where the model hub can't be reached. MODEL_CARD.md says what it was measured to do.
"""
