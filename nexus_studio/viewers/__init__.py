"""Viewers: one a modality, and what they are built of. They paint arrays themselves and know no model and no run."""
