"""Models as their folders describe them: references, backbones, tokenizers, and the modules of an encoder."""
