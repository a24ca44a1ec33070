"""Evaluation of results: metrics of pictures, geometry, identity and motion, with confidence intervals."""
