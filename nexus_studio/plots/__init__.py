"""Plots: curves (on pyqtgraph, loaded after the first paint), histograms, heat maps, spark lines."""
