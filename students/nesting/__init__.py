"""Students whose every exit is a model: which exits a step trains, and how they are read out."""
