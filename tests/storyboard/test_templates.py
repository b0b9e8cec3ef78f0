"""Prompt templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storyboard.schema import Template
from pipeline.storyboard.templates import TemplateError, fill, names_in


def test_names_are_replaced_and_doubled_braces_stay_single() -> None:
    template = Template(text="{look}: {prompt} {{not a name}} {prompt}")

    assert fill(template, {"look": "oil", "prompt": "a hill", "unused": "x"}) == "oil: a hill {not a name} a hill"
    assert names_in(template) == ("look", "prompt")


def test_braces_in_a_value_are_not_looked_at_again() -> None:
    assert fill(Template(text="{a}{b}"), {"a": "{b}", "b": "{a}"}) == "{b}{a}"


def test_a_missing_name_is_an_error_that_suggests_the_near_one() -> None:
    with pytest.raises(TemplateError) as caught:
        fill(Template(text="{wether} at {time}"), {"weather": "rain", "time": "noon"})

    assert "{wether}" in str(caught.value)
    assert "{weather}" in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{}", "{0}", "{ a }", "{a", "a}", "{{a}", "{a {b}}"]
)
def test_anything_but_a_plain_name_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        fill(Template(text=text), {"a": "x", "b": "y", "0": "z", "": "q", " a ": "w"})


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_escaped_text_comes_out_as_it_went_in(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")

    assert fill(Template(text=escaped), {}) == text
