from pipeline.tracking.flat_keys import CHARACTERS, parameters


def test_every_setting_has_a_dotted_key() -> None:
    recipe = {
        "name": "my",
        "description": "",
        "student": {"epochs": 3, "alpha": 0.3, "soup": False, "seeds": [0, 1], "layers": [], "ffn_width": None},
        "embedding": {"teachers": [{"model": "a"}, {"model": "b", "weight": 2.0}]},
    }
    assert parameters(recipe) == {
        "name": "my",
        "student.epochs": "3",
        "student.alpha": "0.3",
        "student.soup": "false",
        "student.seeds": "[0, 1]",
        "embedding.teachers.0.model": "a",
        "embedding.teachers.1.model": "b",
        "embedding.teachers.1.weight": "2.0",
    }


def test_long_values_are_cut() -> None:
    assert parameters({"name": "x" * (CHARACTERS + 1)}) == {"name": "x" * CHARACTERS}
