"""No step of the training pipeline: tries values of TRAIN_CONFIG on one dataset, and finds the best. No TensorFlow."""
