"""Backbone, head, preprocessing inside the model, published weights, export."""
