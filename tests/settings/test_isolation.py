"""Configurations of gin side by side."""

import contextlib
import copy
from typing import Any

import gin

from dreamer_tf.settings import isolation
from dreamer_tf.settings.isolation import Configuration


@gin.configurable(module="tests.isolation")
def shown(value="default"):
    return value


def state() -> dict[str, Any]:
    return {name: copy.copy(getattr(gin.config, name)) for name in isolation._STATE}


def test_nothing_of_the_caller_is_seen_or_changed():
    gin.parse_config(["import decimal", "shown.value = 'mine'", "scope/shown.value = 'scoped'"])
    assert shown() == "mine"
    before, own = state(), Configuration()
    gin.config._set_config_is_locked(True)
    with gin.config_scope("scope"):
        with own.active():
            assert (
                shown() == "default" and gin.current_scope() == [] and not gin.config_str().strip()
            )
            gin.bind_parameter("shown.value", "other")
            gin.parse_config("import fractions")
            gin.add_config_file_search_path("somewhere")
            gin.config.register_file_reader(open, lambda path: False)
            assert shown() == "other"
            gin.finalize()
        assert shown() == "scoped" and gin.current_scope() == ["scope"]
    assert gin.config_is_locked()
    gin.config._set_config_is_locked(False)
    after = state()
    after["_OPERATIVE_CONFIG"].pop(("scope", "tests.isolation.shown"))
    assert after == before
    with own.active():  # as it was left
        assert shown() == "other" and gin.config_is_locked()
        assert "import fractions" in gin.config_str() and "decimal" not in gin.config_str()


def test_the_caller_gets_its_configuration_back_after_an_error():
    gin.bind_parameter("shown.value", "mine")
    with contextlib.suppress(KeyError), Configuration().active():
        gin.bind_parameter("shown.value", "other")
        raise KeyError
    assert shown() == "mine"


def test_two_configurations_are_used_in_turn_and_inside_of_each_other():
    one, two = Configuration(), Configuration()
    for own, value in ((one, "one"), (two, "two")):
        with own.active():
            gin.bind_parameter("shown.value", value)
    for _ in range(2):
        with one.active():
            assert shown() == "one"
            with two.active(), two.active():
                assert shown() == "two"
            assert shown() == "one"
    assert shown() == "default"


def test_all_of_gins_state_is_known():
    """A new version of gin may keep more; then somebody must decide what becomes of it."""
    variables = {
        name
        for name, value in vars(gin.config).items()
        if name.startswith("_") and name.isupper() and not callable(value)
    }
    # Names, which stay, what is only set while a file is read, and scopes, which are gin's own.
    kept = {"_REGISTRY", "_INVERSE_REGISTRY", "_RENAMED_SELECTORS", "_CONSTANTS", "_FINALIZE_HOOKS"}
    kept |= {"_INTERACTIVE_MODE", "_PARSE_CONTEXTS", "_SCOPE_MANAGER", "_OPERATIVE_CONFIG_LOCK"}
    kept |= {"_ARG_SPEC_CACHE"}
    assert variables == kept | set(isolation._STATE), variables ^ (kept | set(isolation._STATE))
