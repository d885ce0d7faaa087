# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware training for .dsmm models: the numbers that are trained are the numbers that run."""
