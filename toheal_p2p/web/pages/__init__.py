"""The pages, a module for each part of the way: from the first start to words in a circle."""
