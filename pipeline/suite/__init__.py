"""A suite: named sets of pairs, rankings and classes that models are judged on, each in one way for all of them."""
