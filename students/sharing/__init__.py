"""Layers that share attention maps (EchoAtt): which ones, and what it saves."""
