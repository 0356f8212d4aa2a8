"""The train and validation steps, and the Keras model that `fit` drives."""
