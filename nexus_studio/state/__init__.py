"""Observable models of what the studio shows: QtCore only, no widgets."""
