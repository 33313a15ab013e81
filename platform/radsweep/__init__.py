"""Which low-data technique helps a vision-language model of images and reports, on your data, by how much."""

__version__ = "0.1.0"
