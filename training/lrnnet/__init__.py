"""LRNNet (arXiv 2006.02706): the PyTorch reference, its training and its evaluation."""
