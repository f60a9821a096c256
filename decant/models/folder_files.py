"""What the files of a model folder are called, by transformers, sentence-transformers and Decant."""

CONFIG = "config.json"  # transformers': of a model; sentence-transformers': of each module's folder
WEIGHTS = "model.safetensors"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADAPTER = "adapter_config.json"  # peft's
MODULES = "modules.json"  # sentence-transformers' chain of modules
SETTINGS = "config_sentence_transformers.json"  # its prompts and similarity, or a cross-encoder's activation
READING = "sentence_bert_config.json"  # how it reads a text
POOLING_FOLDER, NORMALIZE_FOLDER = "1_Pooling", "2_Normalize"  # as every reader of such a folder expects them
OWN_CONFIG = "decant_encoder.json"  # what Decant adds for what the others cannot say
EXIT_LAYERS = "exit_layers.safetensors"
