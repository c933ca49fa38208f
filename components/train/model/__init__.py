"""Backbone, preprocessing inside the model, published weights, export."""
