"""Exports in eight bits: calibration, quantisation, and the gate that compares them."""
