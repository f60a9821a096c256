"""Teachers: slow, accurate models, and the scores and vectors that students learn from."""
