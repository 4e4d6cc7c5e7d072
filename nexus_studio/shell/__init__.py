"""The frame around the workspaces: rail, bars, palette, notices, drop zones, single instance."""
