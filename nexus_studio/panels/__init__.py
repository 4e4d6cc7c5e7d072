"""The workspaces of the window. Panels are generic: they never name a family."""
