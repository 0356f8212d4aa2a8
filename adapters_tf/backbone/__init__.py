"""TFT5: presets, loading and saving, PyTorch's tensor names, and the places adapters go."""
