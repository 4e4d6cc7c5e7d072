"""The library: run folders, data sets, samples, queue and index; the folders are the truth. Torch-free."""
