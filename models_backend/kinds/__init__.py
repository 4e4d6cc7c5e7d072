"""Bodies that several families share: a family's file subclasses one and declares itself."""
