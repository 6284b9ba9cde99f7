"""Variables of the environment that hold for a while."""

import os

import pytest
import requests

from clinfonce.scaling.connection.environment import environment, without_proxy


def test_variables_of_the_environment_are_put_back(monkeypatch):
    monkeypatch.setenv("THERE", "before")
    monkeypatch.delenv("NOT_THERE", raising=False)
    with environment(THERE="meanwhile", NOT_THERE="meanwhile"):
        assert os.environ["THERE"] == os.environ["NOT_THERE"] == "meanwhile"
    assert os.environ["THERE"] == "before"
    assert "NOT_THERE" not in os.environ


@pytest.mark.parametrize("said", ["no_proxy", "NO_PROXY"])
def test_loopback_is_reached_directly_and_what_the_user_said_stays(monkeypatch, said):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(said, "intra.example, .lab")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    with without_proxy("10.0.0.5"):
        for name in ("no_proxy", "NO_PROXY"):
            hosts = os.environ[name].split(",")
            assert hosts == ["intra.example", ".lab", "localhost", "127.0.0.1", "::1", "10.0.0.5"]
        for url in ("http://127.0.0.1:8265", "http://localhost:1", "http://10.0.0.5:1"):
            assert requests.utils.get_environ_proxies(url) == {}
        assert requests.utils.get_environ_proxies("http://elsewhere.example")
    assert os.environ[said] == "intra.example, .lab"
