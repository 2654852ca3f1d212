"""Models from elsewhere and for elsewhere: Keras's files, ONNX, portable weights."""
