//! Training through ONNX Runtime: architectures, recipes, objectives, and the loop that runs step graphs.
